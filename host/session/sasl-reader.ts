/** Reads the client's responses of an AUTH exchange, however they were cut. RFC 4954 section 4. */

import { respond, respondAtLength } from './auth-exchange.ts';
import type { Session } from './session.ts';

/** Octets of a response line with its CRLF: what RFC 4954 section 4 calls sufficient for all mechanisms in use. */
export const MAX_RESPONSE_LINE = 12_288;

const LF = 0x0a;
const CR = 0x0d;

/** Takes one line out of `chunk`, from `from` on, and returns where it stopped. */
export function readResponses(session: Session, chunk: Buffer, from: number): number {
  const lineFeed = chunk.indexOf(LF, from);
  const behind = lineFeed < 0 ? chunk.length : lineFeed + 1;
  const before = session.partial;
  if (session.isSkippingLine || (before?.length ?? 0) + behind - from > MAX_RESPONSE_LINE) {
    session.partial = undefined;
    session.isSkippingLine = lineFeed < 0;
    // The refusal goes out when the line ends, so that replies keep their order.
    if (lineFeed >= 0) session.run(respondAtLength);
    return behind;
  }
  const piece = chunk.subarray(from, behind);
  const line = before === undefined ? piece : Buffer.concat([before, piece]);
  if (lineFeed < 0) {
    // The chunk is not kept alive for the sake of a few octets.
    session.partial = before === undefined ? Buffer.from(piece) : line;
    return behind;
  }
  session.partial = undefined;
  session.exchange!.response = withoutEnd(line);
  session.run(respond);
  return behind;
}

function withoutEnd(line: Buffer): string {
  const lineFeed = line.length - 1;
  return line.latin1Slice(0, line[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed);
}
