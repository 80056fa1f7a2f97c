/** The store of what reports of TLS tell: how connections to other domains went. RFC 8460. */

import { pluginNames, type Config } from '../../bindings/plugin/index.ts';
import { openDayCounts, type CountsSetup } from './day-counts.ts';

export const TLS_STORE = 'tls-reports';

/** RFC 8460 section 4.3. */
export type FailureResult =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid';

/** RFC 8460 section 4.4. */
export type PolicyType = 'tlsa' | 'sts' | 'no-policy-found';

/** Connections that have all of this in common are counted together. */
export interface TlsRow {
  readonly policyType: PolicyType;
  /** `success`: TLS was as the policy wants it. A failure may be that of a look-up in place of a connection. */
  readonly result: FailureResult | 'success';
  /** The mail host. */
  readonly mx?: string | undefined;
  /** The TLSA records that held, as text. */
  readonly policy?: readonly string[] | undefined;
}

/** Counts one connection to a domain, or what came in place of it. */
export type TlsCount = (
  domain: string,
  policyType: TlsRow['policyType'],
  result: TlsRow['result'],
  details?: Pick<TlsRow, 'mx' | 'policy'>,
) => void;

/** Whether a plugin is configured that reports. */
export const areTlsReportsMailed = (config: Config): boolean => pluginNames(config).includes('tls_reports');

/** For messages to other domains; it costs none of them any time. Closed with the plugin. */
export function openTlsCounts(setup: CountsSetup): TlsCount {
  const counts = openDayCounts<TlsRow, null>(TLS_STORE, setup);
  return (domain, policyType, result, details) => {
    // An address in brackets is nobody's domain.
    if (!domain.startsWith('[')) counts.count(domain, null, { policyType, result, ...details });
  };
}
