import type { Message } from './message.ts';

export interface BodyLinesOptions {
  /** How many lines at most, the empty one after the header being the first. */
  readonly maxLines: number;
  /** Octets kept of a line; the rest of it is passed over. */
  readonly maxOctets?: number;
}

const LF = 0x0a;

/** The first lines of the body without their line ends, one character an octet. */
export async function* bodyLines(
  message: Message,
  { maxLines, maxOctets = 1_000 }: BodyLinesOptions,
): AsyncGenerator<string, void> {
  let count = 0;
  let line = '';
  for await (const block of message.body('lf')) {
    for (let from = 0; from < block.length;) {
      const end = block.indexOf(LF, from);
      const to = end < 0 ? block.length : end;
      line += block.latin1Slice(from, Math.min(to, from + maxOctets - line.length));
      from = to + 1;
      if (end < 0) break;
      yield line;
      line = '';
      if (++count === maxLines) return;
    }
  }
  if (line !== '') yield line;
}
