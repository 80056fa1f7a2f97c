/** Opens outlets that find their hosts in the DNS: MX records, and what domains demand of TLS. */

import { isReachable } from '../../../bindings/lists/index.ts';
import type { Log, Services, Setup } from '../../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../../bindings/wire/domain-name.ts';
import { areTlsReportsMailed, openTlsCounts, type TlsCount } from '../../reports/tls-counts.ts';
import type { HopOptions } from '../smtp/hop-options.ts';
import { openHops, type HopSetup } from '../smtp/hops.ts';
import { MailRoutes } from './mail-routes.ts';
import { lookUpAddresses } from './mx-lookup.ts';
import { MxOutlet } from './mx-outlet.ts';
import { fetchStsPolicy, StsPolicies } from './sts-policies.ts';

/**
 * Of `tls` only `minimumVersion` counts: the rest is up to the domains. Files for TLS and logins are those of one hop, and
 * make no sense here.
 */
export interface MxOptions extends Omit<
  HopOptions,
  'hosts' | 'protocol' | 'tlsFiles' | 'loginFile' | 'allowsClearLogin'
> {
  /** Port of all hosts; TLSA records are looked for under it. Undefined: 25. */
  readonly port?: number | undefined;
  /** Names of this host besides `helloName`: an MX list that has one is used up to there. RFC 5321 section 5.1. */
  readonly ownNames?: readonly string[] | undefined;
  /** False: no TLSA records are looked for. Undefined: true. */
  readonly isDaneUsed?: boolean | undefined;
  /** False: no policies of MTA-STS are looked for. Undefined: true. */
  readonly isStsUsed?: boolean | undefined;
}

/** What of its set-up a plugin gives to the outlet. */
export interface MxSetup extends HopSetup, Partial<Pick<Setup<unknown>, 'config'>> {
  readonly services: HopSetup['services'] & Pick<Services, 'clock' | 'dns' | 'http' | 'store'>;
}

/** For networks of their own, such as those of tests. */
export interface MxSurroundings {
  /** In place of what reports of TLS are made of. */
  readonly count?: TlsCount | undefined;
  /** Undefined: addresses of this machine are never connected to. */
  readonly mayReach?: ((address: string) => boolean) | undefined;
  /** Port of the web servers that have policies of MTA-STS; undefined: 443. */
  readonly stsPort?: number | undefined;
  /** Authorities of mail hosts and web servers in PEM; undefined: the system's. */
  readonly authorities?: string | undefined;
}

const DEFAULT_PORT = 25;

/**
 * An outlet that hands each recipient's mail to the hosts of its domain. What TLS has to be is up to the domain and to the
 * message (RFC 8689). Throws as `openHops` does. Closed with the plugin.
 */
export function openMailExchange(
  options: MxOptions,
  setup: MxSetup,
  surroundings: MxSurroundings = {},
): MxOutlet {
  const { port = DEFAULT_PORT, ownNames = [], isDaneUsed = true, isStsUsed = true, ...hopOptions } = options;
  const { clock, dns, random } = setup.services;
  const { log } = options;
  const { mayReach = isReachable, authorities } = surroundings;
  const own = new Set([options.helloName, ...ownNames].map((name) => canonicalDomain(name) ?? name));
  const count = surroundings.count ?? tlsCountsFor(setup, log);
  const routes = new MailRoutes({
    dns: dns.authenticated,
    sts: isStsUsed ? openStsPolicies(setup.services, count, log, surroundings) : undefined,
    isDaneUsed,
    count,
    isOwn: (name) => own.has(name),
    mayReach,
    random,
    now: () => clock.now(),
    port,
    authorities,
    minimumVersion: options.tls?.minimumVersion,
    log,
  });
  const open = (hosts: HopOptions['hosts']) => openHops({ ...hopOptions, hosts }, setup);
  return new MxOutlet({ routes, count, log, openHops: open });
}

/** A configuration that reports nothing opens no store for it. */
function tlsCountsFor({ config, services, onClose }: MxSetup, log: Log): TlsCount {
  return config !== undefined && areTlsReportsMailed(config)
    ? openTlsCounts({ services, log, onClose })
    : () => undefined;
}

function openStsPolicies(
  { clock, dns, http, store }: MxSetup['services'],
  count: TlsCount,
  log: Log,
  { mayReach = isReachable, authorities, stsPort: port }: MxSurroundings,
): StsPolicies {
  const addresses = async (host: string): Promise<readonly string[]> => {
    const found = await lookUpAddresses(dns.authenticated, host, mayReach);
    if (found.kind === 'found') return found.addresses;
    throw new Error(found.kind === 'failed' ? found.reason : `${host} leads to no other host`);
  };
  return new StsPolicies({
    dns: dns.authenticated,
    fetch: (domain) => fetchStsPolicy(domain, { http, addresses, port, authorities }),
    store: store.open('mta-sts'),
    now: () => clock.now(),
    log,
    onFault: (domain, result) => count(domain, 'sts', result),
  });
}
