import type { HopReply, RecipientOutcome } from '../../../bindings/plugin/index.ts';

/** What a reply of the hop `hop` means for a recipient. Codes that make no sense here leave the matter open. */
export function outcomeOf(reply: HopReply, hop: string | undefined): RecipientOutcome {
  const { code, lines } = reply;
  const kind = code >= 500 ? 'refused' : code >= 200 && code < 300 ? 'delivered' : 'deferred';
  return { kind, reply: lines[0] === '' ? { ...reply, lines: lines.slice(1) } : reply, hop };
}

/** It may work out another time, whatever the reply says. */
export const deferral = (reply: HopReply, hop: string | undefined): RecipientOutcome => ({
  kind: 'deferred',
  reply,
  hop,
});

/** A status of RFC 3463 section 3.6 where `ReplyReader` leaves it: of another class than the code, or as qpsmtpd writes it. */
const NO_ROOM = /^[245]\.5\.3(?: |$)|\(#[245]\.5\.3\)/;
/** Exim says it without a status. */
const NO_ROOM_WORDS = /too many recipients/i;

/**
 * The reply is not about a mailbox: there are more recipients than fit into one transaction, and further ones go into
 * the next. RFC 5321 section 4.5.3.1.10, RFC 3463 section 3.6. Not to be asked of the first recipient of a transaction: what
 * is too much for it is too much for any.
 */
export function hasNoRoom({ code, status, lines }: HopReply): boolean {
  if (code < 400 || code === 421) return false;
  if (status !== undefined) return status.endsWith('.5.3');
  const saysSo = code === 452 || code === 552;
  return lines.some((line) => NO_ROOM.test(line) || (saysSo && NO_ROOM_WORDS.test(line)));
}
