/** A message as batched SMTP: the commands of a session, read by the receiver without answering. */

import type { Parcel } from '../../../bindings/plugin/delivery.ts';

const LF = 10;
const CR = 13;
const DOT = 46;
const STUFFED = Buffer.from('.');

/** The session with this one message, line ends LF. The parcel's addresses hold no control characters. */
export async function* batchOf(parcel: Parcel, helloName: string): AsyncIterable<Buffer> {
  const { reversePath, recipients, message } = parcel;
  const commands = [
    `HELO ${helloName}`,
    `MAIL FROM:${reversePath.toString()}`,
    ...recipients.map(({ address }) => `RCPT TO:${address.toString()}`),
    'DATA',
  ];
  yield Buffer.from(`${commands.join('\n')}\n`, 'utf8');
  const stuffing = new DotStuffing();
  for await (const block of message.blocks('lf')) yield* stuffing.stuff(block);
  yield Buffer.from(`${stuffing.isAtLineStart ? '' : '\n'}.\nQUIT\n`);
}

/**
 * Puts a dot before each dot that begins a line. RFC 5321 section 4.5.2. A line begins behind a lone CR too: receivers
 * that take one for a line end must not read what follows as commands (SMTP smuggling).
 */
export class DotStuffing {
  isAtLineStart = true;

  *stuff(block: Buffer): Iterable<Buffer> {
    let done = 0;
    for (let dot = block.indexOf(DOT); dot !== -1; dot = block.indexOf(DOT, dot + 1)) {
      const before = dot === 0 ? undefined : block[dot - 1];
      if (before === undefined ? !this.isAtLineStart : before !== LF && before !== CR) continue;
      yield block.subarray(done, dot);
      yield STUFFED;
      done = dot;
    }
    if (block.length === 0) return;
    yield block.subarray(done);
    this.isAtLineStart = [LF, CR].includes(block.at(-1)!);
  }
}
