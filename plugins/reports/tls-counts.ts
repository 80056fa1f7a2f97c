/** The store of what reports of TLS tell: how connections to other domains went. RFC 8460. */

import {
  pluginNames,
  type Config,
  type Log,
  type Services,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { DayCounts } from './day-counts.ts';

export const TLS_STORE = 'tls-reports';

/** Connections that have all of this in common are counted together. */
export interface TlsRow {
  /** RFC 8460 section 4.4: `tlsa`, `sts`, `no-policy-found`. */
  readonly policyType: string;
  /** `success`, or a result type of section 4.3. */
  readonly result: string;
  readonly mx?: string | undefined;
  readonly policy?: readonly string[] | undefined;
}

/** Whether a plugin is configured that reports. */
export const areTlsReportsMailed = (config: Config): boolean => pluginNames(config).includes('tls_reports');

interface CountsSetup extends Pick<Setup<unknown>, 'onClose'> {
  readonly services: Pick<Services, 'clock' | 'store'>;
  readonly log: Pick<Log, 'warn'>;
}

/** Counts one connection, or what came in place of it. It costs no message any time. */
export function openTlsCounts({ services, log, onClose }: CountsSetup): TlsCount {
  const { clock, store } = services;
  const counts = new DayCounts<TlsRow, null>({ store: store.open(TLS_STORE), clock, log });
  onClose(() => counts.close());
  return (domain, policyType, result, details) => {
    // An address in brackets is nobody's domain.
    if (!domain.startsWith('[')) counts.count(domain, null, { policyType, result, ...details });
  };
}

type TlsCount = (
  domain: string,
  policyType: string,
  result: string,
  details: Pick<TlsRow, 'mx' | 'policy'>,
) => void;
