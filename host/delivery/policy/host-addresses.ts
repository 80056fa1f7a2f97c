/** The addresses of a mail host, both families. RFC 5321 section 5.2. */

import type { Resolver } from '../../../bindings/plugin/resolver.ts';

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
