/** One line out of the chunks of a stream, for what is read line by line and holds no commands of ours. */

import type { Session } from './session.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface LineReading {
  /** Octets of a line with its end. */
  readonly maxOctets: number;
  /** Gets the line without its end (CRLF or LF), as a view of the chunk. */
  take(line: Buffer): void;
  /** The line was too long, and is over: replies keep their order. */
  refuse(): void;
}

/** Takes one line out of `chunk`, from `from` on, however it was cut, and returns where it stopped. */
export function readLine(
  session: Pick<Session, 'partial' | 'isSkippingLine'>,
  chunk: Buffer,
  from: number,
  { maxOctets, take, refuse }: LineReading,
): number {
  const lineFeed = chunk.indexOf(LF, from);
  const end = lineFeed < 0 ? chunk.length : lineFeed + 1;
  const before = session.partial;
  if (session.isSkippingLine || (before?.length ?? 0) + end - from > maxOctets) {
    session.partial = undefined;
    session.isSkippingLine = lineFeed < 0;
    if (lineFeed >= 0) refuse();
    return end;
  }
  const piece = chunk.subarray(from, end);
  const line = before === undefined ? piece : Buffer.concat([before, piece]);
  if (lineFeed < 0) {
    // The chunk is not kept alive for the sake of a few octets.
    session.partial = before === undefined ? Buffer.from(piece) : line;
    return end;
  }
  session.partial = undefined;
  const last = line.length - 1;
  take(line.subarray(0, line[last - 1] === CR ? last - 1 : last));
  return end;
}
