/** Replies that stand for what goes wrong at a hop without one of its own, and what a reply means for a recipient. */

import type { HopReply, RecipientOutcome } from '../../../bindings/plugin/index.ts';

/** How far a connection has come; `end` is after the last octet of the content. */
export type HopStage =
  'connect' | 'greeting' | 'hello' | 'tls' | 'login' | 'introduction' | 'mail' | 'rcpt' | 'data' | 'end';

const reply = (code: number, status: string, text: string): HopReply => ({ code, status, lines: [text] });

/** The replies a hop did not give. RFC 3463 sections 3.4 to 3.8. */
export const hopReplies = {
  noConnection: (why: string) => reply(451, '4.4.1', `next hop unreachable (${why})`),
  lost: (stage: HopStage) => reply(451, '4.4.2', `connection to the next hop lost (${stage})`),
  timedOut: (stage: HopStage) => reply(451, '4.4.2', `next hop did not answer in time (${stage})`),
  tookTooLong: reply(451, '4.4.7', 'delivery to the next hop took too long'),
  aborted: reply(451, '4.3.2', 'delivery broken off, try again later'),
  closed: reply(451, '4.3.2', 'shutting down, try again later'),
  garbage: (why: string) => reply(451, '4.5.0', `next hop does not speak the protocol (${why})`),
  noTls: reply(451, '4.7.4', 'next hop offers no encryption'),
  tlsNotNow: reply(451, '4.7.4', 'next hop offers no encryption at present'),
  handshakeFailed: reply(451, '4.7.5', 'no encrypted connection to the next hop'),
  handshakeRefused: reply(451, '4.7.5', 'no kind of encryption that the next hop takes too'),
  distrusted: reply(451, '4.7.5', 'the certificate of the next hop could not be verified'),
  injected: reply(451, '4.7.5', 'octets in front of the TLS handshake of the next hop'),
  loginFailed: reply(451, '4.7.0', 'not let in by the next hop'),
  notIntroduced: reply(451, '4.3.5', 'next hop takes no word about the client'),
  tooBusy: reply(451, '4.3.2', 'too many messages wait for the next hop, try again later'),
  noHosts: reply(451, '4.4.4', 'no next hop known'),
  unreadable: reply(451, '4.3.0', 'message could not be read'),
  needsBinary: reply(554, '5.6.1', 'next hop takes no binary content'),
  needsEightBit: reply(554, '5.6.3', 'next hop takes no 8-bit content'),
  needsUtf8: reply(553, '5.6.7', 'next hop takes no internationalized mail'),
  badAddress: reply(553, '5.1.3', 'an address that cannot be passed on'),
  badSender: reply(553, '5.1.7', 'a reverse-path that cannot be passed on'),
  tooLarge: reply(552, '5.3.4', 'message too large for the next hop'),
  needsEncryption: reply(550, '5.7.10', 'next hop offers no encryption'),
  needsCertainty: reply(550, '5.7.10', 'the certificate of the next hop does not stand for it'),
  needsSafeHop: reply(550, '5.7.30', 'next hop does not promise TLS on the whole way'),
  strayLineEnd: reply(554, '5.6.1', 'line ends of the message are ambiguous'),
} as const;

/** A connection that is of no use any more, or never was. `message` is for the log, `reply` for the client. */
export class HopFault extends Error {
  readonly reply: HopReply;
  readonly stage: HopStage;

  constructor(stage: HopStage, reply: HopReply, detail = reply.lines.join(' ') || printReply(reply)) {
    super(detail);
    this.name = 'HopFault';
    this.stage = stage;
    this.reply = reply;
  }
}

export const isGood = ({ code }: HopReply): boolean => code >= 200 && code < 300;

/** One line for the log. */
export const printReply = ({ code, status, lines }: HopReply): string =>
  [code, status, ...lines].filter((word) => word !== undefined && word !== '').join(' ');

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
