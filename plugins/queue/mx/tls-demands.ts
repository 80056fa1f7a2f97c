/** What a hop's TLS has to be under each policy, and how its certificate is judged and counted. */

import type { PeerCertificate, TlsaRecord } from '../../../bindings/plugin/index.ts';
import type { FailureResult, PolicyType, TlsCount } from '../../reports/tls-counts.ts';
import type { TlsDemand } from '../smtp/hop-options.ts';
import { standsForHost } from './certificates.ts';
import { judgeByDane, type DaneFinding } from './dane.ts';

export interface DemandOptions {
  readonly domain: string;
  /** Tells reports how it went. */
  readonly count: TlsCount;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** PEM, in place of the system's authorities. */
  readonly authorities: string | undefined;
  readonly minimumVersion: TlsDemand['minimumVersion'];
}

type UsableDane = Extract<DaneFinding, { kind: 'usable' }>;
type UnusableDane = Extract<DaneFinding, { kind: 'unusable' }>;

/** RFC 7672 section 3. `listDomain`: where the MX records stood, after all aliases; undefined if there were none. */
export function daneDemand(
  { records, baseDomain }: UsableDane,
  listDomain: string | undefined,
  options: DemandOptions,
): TlsDemand {
  const { domain, count, now, minimumVersion } = options;
  // RFC 7672 section 3.2.2: the domain of the mailboxes counts too, DNSSEC has led from it to the host.
  const names = [...new Set([baseDomain, domain, listDomain ?? domain])];
  return {
    level: 'verified',
    names,
    // RFC 7672 section 8.1: the server picks its certificate by the name the records stand at.
    serverName: baseDomain,
    minimumVersion,
    judge: (certificate) => {
      const fault = judgeByDane(records, certificate, names, now());
      const details = { mx: baseDomain, policy: records.map(printRecord) };
      count(domain, 'tlsa', fault?.result ?? 'success', details);
      return fault?.text;
    },
  };
}

/** RFC 6698 section 2.2. */
const printRecord = ({ usage, selector, matching, data }: TlsaRecord): string =>
  `${usage} ${selector} ${matching} ${data.toString('hex')}`;

/** A certificate as authorities of the web issue it, with the name of the host. RFC 8461 section 4.2, RFC 8689 section 4.2.1. */
export const webDemand = (host: string, policyType: PolicyType, options: DemandOptions): TlsDemand => ({
  level: 'verified',
  names: [host],
  authorities: options.authorities,
  minimumVersion: options.minimumVersion,
  judge: (certificate) => judgeByAuthorities(host, certificate, policyType, options),
});

/** Encryption with whatever host answers. RFC 7672 section 2.2. */
export const blindDemand = ({ baseDomain }: UnusableDane, { minimumVersion }: DemandOptions): TlsDemand => ({
  level: 'required',
  serverName: baseDomain,
  minimumVersion,
});

/** What can be had; where a policy is being tried out (RFC 8461 section 5, `testing`), what would be wrong is counted. */
export const opportunisticDemand = (host: string, isTested: boolean, options: DemandOptions): TlsDemand => ({
  level: 'opportunistic',
  names: [host],
  authorities: options.authorities,
  minimumVersion: options.minimumVersion,
  judge: (certificate) => {
    if (isTested) return judgeByAuthorities(host, certificate, 'sts', options);
    options.count(options.domain, 'no-policy-found', 'success', { mx: host });
    return problemOf(certificate, certificate.hasName)?.text;
  },
});

function judgeByAuthorities(
  host: string,
  certificate: PeerCertificate,
  policyType: PolicyType,
  { domain, count }: DemandOptions,
): string | undefined {
  const [own] = certificate.chain;
  // RFC 8461 section 4.2 knows DNS names only.
  const hasName = own !== undefined && standsForHost(own, host, policyType === 'sts' ? 'never' : 'fallback');
  const problem = problemOf(certificate, hasName);
  count(domain, policyType, problem?.result ?? 'success', { mx: host });
  return problem?.text;
}

function problemOf(
  { distrust }: PeerCertificate,
  hasName: boolean,
): { readonly result: FailureResult; readonly text: string } | undefined {
  if (distrust !== undefined) {
    const result = /expired/i.test(distrust) ? 'certificate-expired' : 'certificate-not-trusted';
    return { result, text: distrust };
  }
  return hasName
    ? undefined
    : { result: 'certificate-host-mismatch', text: 'it does not stand for the name of the host' };
}
