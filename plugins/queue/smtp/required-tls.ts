/** Messages that may only travel by verified TLS, and hops that will not have it so. RFC 8689 section 4.2.1. */

import type { HopReply, MailObject } from '../../../bindings/plugin/index.ts';
import type { HopConnection } from './hop-connection.ts';
import { hopReplies } from './hop-fault.ts';

/**
 * Why a message that requires TLS must not go over this connection; undefined if it may. Reports on such messages go on
 * without the hop's promise, under the same TLS: they would be lost (section 5).
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
