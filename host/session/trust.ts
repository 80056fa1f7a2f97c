/** Whom the daemon believes what he says about somebody else. */

import type { AddressRanges } from '../config/address-ranges.ts';
import type { Intake } from '../intake/intake.ts';

/**
 * True if the other end of the socket is on the list. `remote` is never asked: it may be the word of a proxy, and a
 * client that could choose it would choose an address on the list.
 */
export function isTrusted({ hops, peer }: Pick<Intake, 'hops' | 'peer'>, list: AddressRanges): boolean {
  if (list.isEmpty) return false;
  // Clients on a Unix socket count as 127.0.0.1 elsewhere; here they count only if they are named.
  return hops[0] === 'unix' ? list.hasUnix : list.has(peer.address);
}
