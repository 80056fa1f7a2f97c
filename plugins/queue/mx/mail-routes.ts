/** Where mail for a domain goes, and how safely: MX, then DANE, then MTA-STS. RFC 5321 section 5, RFC 7672, RFC 8461. */

import type { PolicyType, TlsCount } from '../../reports/tls-counts.ts';
import type { HopHost, TlsDemand } from '../smtp/hop-options.ts';
import type { Log, Resolver } from '../../../bindings/plugin/index.ts';
import { isIPv4, isIPv6 } from '../../../bindings/wire/ip-address.ts';
import { lookUpDane, type DaneFinding } from './dane.ts';
import {
  lookUpAddresses,
  lookUpMx,
  routeFaults,
  type HostAddresses,
  type MxHost,
  type RouteFault,
} from './mx-lookup.ts';
import { isInPolicy, type StsPolicy } from './sts-policy.ts';
import {
  blindDemand,
  daneDemand,
  opportunisticDemand,
  webDemand,
  type DemandOptions,
} from './tls-demands.ts';

/** What the sender asks for: REQUIRETLS (RFC 8689 section 2), or the field `TLS-Required: No` (section 3). */
export type SenderWish = 'required' | 'waived' | undefined;

export interface RouteOptions {
  readonly dns: Resolver;
  /** The policies of MTA-STS; undefined: none are looked for. */
  readonly sts: { policyFor(domain: string): Promise<StsPolicy | undefined> } | undefined;
  /** False: no TLSA records are looked for. */
  readonly isDaneUsed: boolean;
  /** Tells reports how it went. */
  readonly count: TlsCount;
  readonly isOwn: (name: string) => boolean;
  readonly mayReach: (address: string) => boolean;
  readonly random: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly port: number;
  /** PEM, in place of the system's authorities. */
  readonly authorities: string | undefined;
  readonly minimumVersion: TlsDemand['minimumVersion'];
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/** The way to a domain, or what all its recipients are told because there is none. */
export type MailRoute =
  | {
      readonly kind: 'hosts';
      /** At least one, in the order they are to be tried. */
      readonly hosts: readonly HopHost[];
      readonly policyType: PolicyType;
      /** A host that could not be looked at is passed over for now: what happens if only it will do. */
      readonly later?: RouteFault | undefined;
    }
  | RouteFault;

/** Connections that one message may try. */
export const MAX_ADDRESSES = 40;

/** A host of the list with all that was found out about it, or why it is passed over. */
type Candidate =
  | ({ readonly addresses: readonly string[] } & AppliedPolicy)
  | { readonly skipped: string; readonly fault: RouteFault | undefined };

interface AppliedPolicy {
  readonly demand: TlsDemand;
  /** For the log. */
  readonly policy: string;
  readonly policyType: PolicyType;
}

/** What holds for all hosts of a domain. */
interface DomainFacts {
  readonly domain: string;
  readonly isSecure: boolean;
  /** See `MxFinding`. */
  readonly listDomain: string | undefined;
  readonly policy: StsPolicy | undefined;
  readonly wish: SenderWish;
  readonly demands: DemandOptions;
}

/** RFC 8460 section 3 leaves the way of reports out of the next one, or each would be about the one before. */
const uncounted: TlsCount = () => undefined;

export class MailRoutes {
  readonly #options: RouteOptions;

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  /** `domain` is in ASCII and lower case, or an address in brackets. Never rejects. */
  async routeTo(domain: string, wish?: SenderWish): Promise<MailRoute> {
    const { now, authorities, minimumVersion, sts } = this.#options;
    const count = wish === 'waived' ? uncounted : this.#options.count;
    const demands = { domain, count, now, authorities, minimumVersion };
    if (domain.startsWith('[')) return this.#routeToAddress(domain, wish, demands);
    const [mx, policy] = await Promise.all([lookUpMx(domain, this.#options), sts?.policyFor(domain)]);
    if (mx.kind === 'fault') return mx.fault;
    const { isSecure, listDomain } = mx;
    const facts: DomainFacts = { domain, isSecure, listDomain, policy, wish, demands };
    const candidates = await Promise.all(mx.hosts.map((host) => this.#examine(host, facts)));
    return this.#routeOver(mx.hosts, candidates, domain);
  }

  #routeOver(mxHosts: readonly MxHost[], candidates: readonly Candidate[], domain: string): MailRoute {
    const { log, port } = this.#options;
    const hosts: HopHost[] = [];
    let policyType: PolicyType = 'no-policy-found';
    for (const [index, candidate] of candidates.entries()) {
      const { name } = mxHosts[index]!;
      if ('skipped' in candidate) {
        log.warn(`${domain}: ${name}: passed over: ${candidate.skipped}`);
        continue;
      }
      log.info(`${domain}: ${name}: ${candidate.policy}`);
      if (hosts.length === 0) policyType = candidate.policyType;
      for (const address of candidate.addresses) {
        // The order has been settled here; an outlet may still put those last that it could not reach lately.
        hosts.push({ name, address, port, preference: hosts.length, tls: candidate.demand });
      }
    }
    if (hosts.length === 0) return worstOf(candidates, domain);
    const later = faultsOf(candidates).find(({ kind }) => kind === 'deferred');
    return { kind: 'hosts', hosts: hosts.slice(0, MAX_ADDRESSES), policyType, later };
  }

  /** RFC 5321 section 5.1: an address in brackets needs no DNS, and nothing vouches for it. */
  #routeToAddress(literal: string, wish: SenderWish, demands: DemandOptions): MailRoute {
    const { mayReach, port } = this.#options;
    const address = literalAddress(literal);
    if (address === undefined || !mayReach(address)) return routeFaults.noHost(literal);
    if (wish === 'required') return routeFaults.notRequirable(literal);
    const tls = opportunisticDemand(address, false, demands);
    return { kind: 'hosts', hosts: [{ name: address, address, port, tls }], policyType: 'no-policy-found' };
  }

  async #examine(host: MxHost, facts: DomainFacts): Promise<Candidate> {
    const { dns, mayReach } = this.#options;
    const { domain, policy, wish } = facts;
    const { count } = facts.demands;
    const found = await lookUpAddresses(dns, host.name, mayReach);
    if (found.kind === 'none') return { skipped: 'it has no address', fault: undefined };
    if (found.kind === 'failed')
      return { skipped: found.reason, fault: routeFaults.lookUpFailed(domain, found.reason) };
    const dane = await this.#daneOf(host, found, facts);
    if (dane.kind === 'failed') {
      count(domain, 'tlsa', 'dnssec-invalid', { mx: host.name });
      return { skipped: `TLSA: ${dane.reason}`, fault: routeFaults.noTrustedHost(domain) };
    }
    const isListed = policy !== undefined && policy.mode !== 'none' && isInPolicy(policy, host.name);
    const isEnforced = policy?.mode === 'enforce' && wish !== 'waived';
    // DANE comes first where both can tell the host by its certificate, also if they disagree: RFC 8461 section 2.
    if (dane.kind !== 'usable' && policy !== undefined && policy.mode !== 'none' && !isListed) {
      count(domain, 'sts', 'validation-failure', { mx: host.name });
      if (isEnforced) return { skipped: 'not in the MTA-STS policy', fault: routeFaults.notInPolicy(domain) };
    }
    // RFC 8689 section 4.2.1: a verified certificate proves nothing if anybody could have named the host. A policy that is
    // tried out has come from the domain as well, and without MX records the certificate has to name the domain itself.
    if (wish === 'required' && !facts.isSecure && !isListed && facts.listDomain !== undefined)
      return { skipped: 'REQUIRETLS: nothing vouches for it', fault: routeFaults.notRequirable(domain) };
    return { addresses: found.addresses, ...demandFor(host.name, dane, facts) };
  }

  async #daneOf(
    { name }: MxHost,
    { isSecure, canonicalName }: Extract<HostAddresses, { kind: 'found' }>,
    facts: DomainFacts,
  ): Promise<DaneFinding> {
    const { dns, port, isDaneUsed } = this.#options;
    // RFC 7672 section 2.2.1 leaves it open: records for a host that anybody could have named protect little.
    if (!isDaneUsed || !facts.isSecure || facts.wish === 'waived') return { kind: 'none' };
    return lookUpDane(dns, { name, port, isSecure, canonicalName });
  }
}

function demandFor(host: string, dane: DaneFinding, facts: DomainFacts): AppliedPolicy {
  const { policy: sts, wish, demands } = facts;
  const none = 'no-policy-found';
  if (wish === 'waived') {
    const demand = opportunisticDemand(host, false, demands);
    return { demand, policy: 'opportunistic TLS, as the sender waives policies', policyType: none };
  }
  if (dane.kind === 'usable') {
    const policy = `DANE by the records of ${dane.baseDomain}`;
    return { demand: daneDemand(dane, facts.listDomain, demands), policy, policyType: 'tlsa' };
  }
  if (dane.kind === 'unusable') demands.count(demands.domain, 'tlsa', 'tlsa-invalid', { mx: host });
  if (sts?.mode === 'enforce')
    return { demand: webDemand(host, 'sts', demands), policy: 'MTA-STS, enforced', policyType: 'sts' };
  if (wish === 'required')
    return { demand: webDemand(host, none, demands), policy: 'REQUIRETLS', policyType: none };
  if (dane.kind === 'unusable')
    return {
      demand: blindDemand(dane, demands),
      policy: 'DANE without usable records: any certificate',
      policyType: 'tlsa',
    };
  const isTested = sts?.mode === 'testing';
  const demand = opportunisticDemand(host, isTested, demands);
  return isTested
    ? { demand, policy: 'MTA-STS, testing', policyType: 'sts' }
    : { demand, policy: 'opportunistic TLS', policyType: none };
}

const faultsOf = (candidates: readonly Candidate[]): readonly RouteFault[] =>
  candidates.flatMap((candidate) =>
    'skipped' in candidate && candidate.fault !== undefined ? [candidate.fault] : [],
  );

/** Why none of the hosts is left: while one of them may come back, the mail waits. */
function worstOf(candidates: readonly Candidate[], domain: string): RouteFault {
  const faults = faultsOf(candidates);
  return faults.find(({ kind }) => kind === 'deferred') ?? faults[0] ?? routeFaults.noHost(domain);
}

/** The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`; undefined for other forms. RFC 5321 section 4.1.3. */
function literalAddress(literal: string): string | undefined {
  const [, tag, text = ''] = /^\[(ipv6:)?([0-9a-f.:]+)\]$/i.exec(literal) ?? [];
  return (tag === undefined ? isIPv4(text) : isIPv6(text)) ? text : undefined;
}
