/** The hosts that take mail for a domain. RFC 5321 section 5.1, RFC 7505. */

import type { Resolver } from '../../../bindings/plugin/resolver.ts';
import { isHostName } from './host-name-form.ts';
import { routeFaults, type RouteFault } from './route-faults.ts';

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
      /** Where the list stands, behind all aliases of the domain; undefined if the domain is its own mail host. */
      readonly listDomain: string | undefined;
    }
  | { readonly kind: 'fault'; readonly fault: RouteFault };

/** More are not looked at: whoever lists hundreds would keep us busy on behalf of others. */
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
