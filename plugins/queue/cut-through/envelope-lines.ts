/** The envelope for the hop, before anybody knows what the content will be. RFC 5321 sections 4.1.1.2 and 4.1.1.3. */

import type { CutThroughEnvelope, HopReply, Recipient } from '../../../bindings/plugin/index.ts';
import { isAscii, mailCommand } from '../smtp/extensions.ts';
import type { HopConnection } from '../smtp/hop-connection.ts';
import { hopReplies } from '../smtp/hop-replies.ts';
import { holdsControls, lackOfSafety } from '../smtp/mail-fitness.ts';

/** MAIL without its line end. 8-bit content is announced wherever the hop takes it: it may still come. */
export function mailLine(
  { reversePath, mailOptions }: CutThroughEnvelope,
  { extensions }: HopConnection,
): string {
  const { size } = mailOptions;
  const known = new Map(extensions);
  if (size === undefined) known.delete('SIZE');
  const message = { octets: size ?? 0, hasEightBit: true };
  const isUtf8 = mailOptions.isUtf8 || !isAscii(reversePath.toString());
  return mailCommand({ reversePath, mailOptions, message }, known, isUtf8 && known.has('SMTPUTF8'));
}

/** What the hop cannot take for want of an extension, before it is asked. */
export function problemWithMail(
  { reversePath, mailOptions }: CutThroughEnvelope,
  connection: HopConnection,
  eightBit: 'refuse' | 'send',
): HopReply | undefined {
  const { extensions } = connection;
  const path = reversePath.toString();
  if (holdsControls(path)) return hopReplies.badSender;
  const lack = lackOfSafety({ reversePath, mailOptions }, connection);
  if (lack !== undefined) return lack;
  if ((mailOptions.isUtf8 || !isAscii(path)) && !extensions.has('SMTPUTF8')) return hopReplies.needsUtf8;
  if (mailOptions.body === 'binarymime') {
    return extensions.has('BINARYMIME') && extensions.has('CHUNKING') ? undefined : hopReplies.needsBinary;
  }
  const isRefused = mailOptions.body === '8bitmime' && eightBit === 'refuse' && !extensions.has('8BITMIME');
  return isRefused ? hopReplies.needsEightBit : undefined;
}

export function problemWithRecipient(
  { address }: Recipient,
  { extensions }: HopConnection,
): HopReply | undefined {
  const path = address.toString();
  if (holdsControls(path)) return hopReplies.badAddress;
  return isAscii(path) || extensions.has('SMTPUTF8') ? undefined : hopReplies.needsUtf8;
}
