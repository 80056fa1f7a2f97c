/** A message as batched SMTP: the commands of a session, read by the receiver without answering. */

import type { MailObject } from '../../../bindings/plugin/index.ts';
import { LfDotStuffing } from '../../../bindings/wire/dot-stuffing.ts';

/** The session with this one message, line ends LF. The mail object's addresses hold no control characters. */
export async function* batchOf(mail: MailObject, helloName: string): AsyncIterable<Buffer> {
  const { reversePath, recipients, message } = mail;
  const commands = [
    `HELO ${helloName}`,
    `MAIL FROM:${reversePath.toString()}`,
    ...recipients.map(({ address }) => `RCPT TO:${address.toString()}`),
    'DATA',
  ];
  yield Buffer.from(`${commands.join('\n')}\n`, 'utf8');
  const stuffing = new LfDotStuffing();
  for await (const block of message.blocks('lf')) yield* stuffing.stuff(block);
  yield Buffer.from(`${stuffing.isAtLineStart ? '' : '\n'}.\nQUIT\n`);
}
