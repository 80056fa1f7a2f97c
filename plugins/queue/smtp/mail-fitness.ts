/** What a hop cannot take for want of an extension, or of TLS that the message requires, is not sent there. */

import type { HopReply, MailObject } from '../../../bindings/plugin/index.ts';
import { isAscii, sizeLimitOf } from './extensions.ts';
import type { HopConnection } from './hop-connection.ts';
import { hopReplies } from './hop-replies.ts';

/** An attacker that makes addresses with a line end in them would have the hop read commands in them (command injection). */
const CONTROL = /[\u0000-\u001f\u007f]/;

export const holdsControls = (path: string): boolean => CONTROL.test(path);

export interface Fitness {
  /** Why nobody gets the mail object from this hop. */
  readonly problem: HopReply | undefined;
  /** MAIL has to say SMTPUTF8. */
  readonly isUtf8: boolean;
  /** Why this recipient cannot, in the order of the recipients; empty if they all can. */
  readonly problems: readonly (HopReply | undefined)[];
}

const NO_PROBLEMS: readonly undefined[] = Object.freeze([]);

export function fitnessOf(
  mail: MailObject,
  connection: Pick<HopConnection, 'extensions' | 'isSecure' | 'isVerified'>,
  eightBit: 'refuse' | 'send',
): Fitness {
  const offersUtf8 = connection.extensions.has('SMTPUTF8');
  const isUtf8 = offersUtf8 && needsUtf8(mail);
  const problems = mail.recipients.map(({ address }) => problemOf(address.toString(), offersUtf8));
  const problem = problemFor(mail, connection, { eightBit, offersUtf8 });
  const isFree = problems.every((each) => each === undefined);
  return { problem, isUtf8, problems: isFree ? NO_PROBLEMS : problems };
}

function problemOf(path: string, offersUtf8: boolean): HopReply | undefined {
  if (holdsControls(path)) return hopReplies.badAddress;
  return offersUtf8 || isAscii(path) ? undefined : hopReplies.needsUtf8;
}

function problemFor(
  { reversePath, mailOptions, message }: MailObject,
  connection: Pick<HopConnection, 'extensions' | 'isSecure' | 'isVerified'>,
  { eightBit, offersUtf8 }: { eightBit: string; offersUtf8: boolean },
): HopReply | undefined {
  const { extensions } = connection;
  const limit = sizeLimitOf(extensions);
  const path = reversePath.toString();
  if (holdsControls(path)) return hopReplies.badSender;
  if (limit !== undefined && message.octets > limit) return hopReplies.tooLarge;
  const lack = lackOfSafety({ reversePath, mailOptions }, connection);
  if (lack !== undefined) return lack;
  if (mailOptions.body === 'binarymime') {
    // RFC 3030 section 3: without both, the content cannot be told from commands.
    return extensions.has('BINARYMIME') && extensions.has('CHUNKING') ? undefined : hopReplies.needsBinary;
  }
  if (!offersUtf8 && (!isAscii(path) || (mailOptions.isUtf8 && hasUtf8Header(message))))
    return hopReplies.needsUtf8;
  if (message.hasEightBit && eightBit === 'refuse' && !extensions.has('8BITMIME'))
    return hopReplies.needsEightBit;
  return undefined;
}

/** RFC 6531 section 3.4: the parameter goes on where the client gave it, and where an address needs it. */
const needsUtf8 = ({ mailOptions, reversePath, recipients }: MailObject): boolean =>
  mailOptions.isUtf8 ||
  !isAscii(reversePath.toString()) ||
  recipients.some(({ address }) => !isAscii(address.toString()));

/** A client may ask for SMTPUTF8 where it is not needed; such a message passes by old hops. */
const hasUtf8Header = ({ hasEightBit, header }: MailObject['message']): boolean =>
  hasEightBit &&
  // Each name once: a header of one field two thousand times would be read as often.
  [...new Set(header.names().map((name) => name.toLowerCase()))].some((name) =>
    header.all(name).some((value) => !isAscii(value)),
  );

/**
 * Why a message that requires TLS must not go over this connection; undefined if it may. Reports on such messages go on
 * without the hop's promise, under the same TLS: they would be lost. RFC 8689 sections 4.2.1 and 5.
 */
export function lackOfSafety(
  { reversePath, mailOptions }: Pick<MailObject, 'reversePath' | 'mailOptions'>,
  { extensions, isSecure, isVerified }: Pick<HopConnection, 'extensions' | 'isSecure' | 'isVerified'>,
): HopReply | undefined {
  if (!mailOptions.requireTls) return undefined;
  if (!isSecure) return hopReplies.needsEncryption;
  if (!isVerified) return hopReplies.needsCertainty;
  return extensions.has('REQUIRETLS') || reversePath.isNull ? undefined : hopReplies.needsSafeHop;
}

const LASTING: ReadonlyMap<HopReply, HopReply> = new Map([
  [hopReplies.noTls, hopReplies.needsEncryption],
  [hopReplies.handshakeRefused, hopReplies.needsEncryption],
  [hopReplies.distrusted, hopReplies.needsCertainty],
  ...[hopReplies.needsEncryption, hopReplies.needsCertainty, hopReplies.needsSafeHop].map(
    (reply) => [reply, reply] as const,
  ),
]);

/**
 * What the sender is told if all hosts failed like this one, which `reply` stands for; undefined where the host may do
 * better another time: it was not reached, say, or had no time.
 */
export const lastingLack = (reply: HopReply): HopReply | undefined => LASTING.get(reply);

/** True for what only a message that requires TLS is told. */
export const isLackOfSafety = (reply: HopReply): boolean => LASTING.get(reply) === reply;
