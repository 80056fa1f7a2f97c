/**
 * The hosts that take mail for a domain, their addresses, and what recipients are told if there are none. RFC 5321 section 5,
 * RFC 7505.
 */

import type { RecipientOutcome, Resolver } from '../../../bindings/plugin/index.ts';
import { isHostName } from '../../../bindings/wire/domain-name.ts';

/** Why there is no way to a domain, and the outcome of every recipient there. RFC 3463 section 3.5, RFC 7505 section 4.1. */
export type RouteFault = RecipientOutcome;

const refused = (code: number, status: string, text: string): RouteFault => ({
  kind: 'refused',
  reply: { code, status, lines: [text] },
  hop: undefined,
});

const deferred = (code: number, status: string, text: string): RouteFault => ({
  ...refused(code, status, text),
  kind: 'deferred',
});

export const routeFaults = {
  noSuchDomain: (domain: string) => refused(550, '5.1.2', `${domain} does not exist`),
  noDomain: refused(550, '5.1.2', 'an address without a domain has no way in the DNS'),
  nullMx: (domain: string) => refused(556, '5.1.10', `${domain} takes no mail`),
  noHost: (domain: string) => refused(550, '5.4.4', `no mail host of ${domain} can be reached by anybody`),
  loop: (domain: string) => refused(554, '5.4.6', `mail for ${domain} would come back to this host`),
  lookUpFailed: (domain: string, reason: string) =>
    deferred(451, '4.4.3', `the mail hosts of ${domain} could not be looked up (${reason})`),
  noTrustedHost: (domain: string) => deferred(451, '4.7.5', `no mail host of ${domain} is known for certain`),
  notInPolicy: (domain: string) =>
    deferred(451, '4.7.5', `no mail host of ${domain} stands in the policy of the domain (MTA-STS)`),
  /** RFC 8689 section 4.2.1. */
  notRequirable: (domain: string) =>
    refused(550, '5.7.30', `the mail hosts of ${domain} cannot be verified as REQUIRETLS asks for`),
  tookTooLong: (domain: string) =>
    deferred(451, '4.4.3', `looking for the mail hosts of ${domain} took too long`),
  oneDomain: deferred(452, '4.5.3', 'recipients of another domain need a message of their own'),
} as const;

export interface MxHost {
  readonly name: string;
  readonly preference: number;
}

export type MxFinding =
  | {
      readonly kind: 'hosts';
      /** In the order they are to be tried. */
      readonly hosts: readonly MxHost[];
      /** DNSSEC vouches for the list, or for the fact that there is none. */
      readonly isSecure: boolean;
      /** Where the list stands, after all aliases of the domain; undefined if the domain is its own mail host. */
      readonly listDomain: string | undefined;
    }
  | { readonly kind: 'fault'; readonly fault: RouteFault };

/** More are not looked at: a domain that lists hundreds would have us connect to all of them (amplification). */
export const MAX_HOSTS = 20;

export interface MxLookupOptions {
  readonly dns: Resolver;
  /** One of our own names. */
  readonly isOwn: (name: string) => boolean;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** `domain` is in ASCII. Never rejects. */
export async function lookUpMx(domain: string, { dns, isOwn, random }: MxLookupOptions): Promise<MxFinding> {
  if (!isHostName(domain)) return fault(routeFaults.noSuchDomain(domain));
  const answer = await dns.mx(domain);
  const { isSecure } = answer;
  if (answer.status === 'failed') return fault(routeFaults.lookUpFailed(domain, answer.reason));
  if (answer.status === 'no such name') return fault(routeFaults.noSuchDomain(domain));
  // The domain itself is its own mail host with preference 0: RFC 5321 calls that the implicit MX.
  if (answer.status === 'no such record') {
    if (isOwn(domain)) return fault(routeFaults.loop(domain));
    return { kind: 'hosts', hosts: [{ name: domain, preference: 0 }], isSecure, listDomain: undefined };
  }
  const { records, canonicalName: listDomain } = answer;
  if (records.length === 1 && records[0]?.exchange === '') return fault(routeFaults.nullMx(domain));
  const hosts = records
    .filter(({ exchange }) => isHostName(exchange))
    .map(({ exchange: name, preference }) => ({ name, preference }));
  if (hosts.length === 0) return fault(routeFaults.noHost(domain));
  const nearer = beforeOurselves(hosts, isOwn);
  if (nearer.length === 0) return fault(routeFaults.loop(domain));
  return { kind: 'hosts', hosts: inOrder(nearer, random).slice(0, MAX_HOSTS), isSecure, listDomain };
}

const fault = (fault: RouteFault): MxFinding => ({ kind: 'fault', fault });

/** The hosts that stand nearer to the mailboxes than we do: the others would hand the mail to us again, without end. */
function beforeOurselves(hosts: readonly MxHost[], isOwn: (name: string) => boolean): readonly MxHost[] {
  const own = hosts.filter(({ name }) => isOwn(name)).map(({ preference }) => preference);
  return own.length === 0 ? hosts : hosts.filter(({ preference }) => preference < Math.min(...own));
}

/** By preference, equals by chance: that spreads the load among them. */
const inOrder = (hosts: readonly MxHost[], random: () => number): readonly MxHost[] =>
  hosts
    .map((host) => ({ host, draw: random() }))
    .sort((a, b) => a.host.preference - b.host.preference || a.draw - b.draw)
    .map(({ host }) => host);

export type HostAddresses =
  | {
      readonly kind: 'found';
      /** IPv6 and IPv4 by turns, so that a host without one of them costs one failed attempt at most. */
      readonly addresses: readonly string[];
      /** DNSSEC vouches for all of them, aliases included. */
      readonly isSecure: boolean;
      readonly canonicalName: string;
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Addresses that `mayReach` refuses are left out, as if they were not there. Never rejects. */
export async function lookUpAddresses(
  dns: Resolver,
  name: string,
  mayReach: (address: string) => boolean,
): Promise<HostAddresses> {
  const answers = await Promise.all([dns.resolve6(name), dns.resolve4(name)]);
  const found = answers.flatMap((answer) => (answer.status === 'found' ? [answer] : []));
  const [first] = found;
  if (first === undefined) {
    const failed = answers.find((answer) => answer.status === 'failed');
    return failed === undefined ? { kind: 'none' } : { kind: 'failed', reason: failed.reason };
  }
  const addresses = byTurns(found.map(({ records }) => records.filter(mayReach)));
  if (addresses.length === 0) return { kind: 'none' };
  const isSecure = found.every((answer) => answer.isSecure && answer.canonicalName === first.canonicalName);
  return { kind: 'found', addresses, isSecure, canonicalName: first.canonicalName };
}

function byTurns(lists: readonly (readonly string[])[]): string[] {
  const length = Math.max(...lists.map((list) => list.length));
  return Array.from({ length }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat();
}
