/** The content of a message, as hooks from `data_headers_end` on see it. */

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

/** How lines end in what a reader gets: as on the wire, or as Unix mailboxes keep them. */
export type LineEnds = 'crlf' | 'lf';

/** The header, in order, byte-exact where untouched. RFC 5322 section 2.2. Names compare without case. */
export interface Header {
  /** Value of the first field `name`, unfolded and trimmed; undefined if there is none. */
  get(name: string): string | undefined;
  /** Values of all fields `name`, top to bottom. */
  all(name: string): readonly string[];
  count(name: string): number;
  /** Names as written, top to bottom. */
  names(): readonly string[];
  /** Puts a field on top. The value may hold line feeds followed by a blank: they become folds. */
  prepend(name: string, value: string): void;
  /** Puts a field below all others. */
  append(name: string, value: string): void;
  /** Takes every field `name` out and returns how many there were. */
  remove(name: string): number;
}

export interface Message {
  readonly header: Header;
  /** Octets of the content as received, line ends counted as two (RFC 1870 section 5). */
  readonly octets: number;
  /** True if a NUL occurs anywhere, or an octet above 127. */
  readonly hasNul: boolean;
  readonly hasEightBit: boolean;
  /** Octets of the longest line, its line end not counted. */
  readonly longestLine: number;
  /** Header (with what was added) and body, in blocks of at most 64 KiB that the reader may keep. */
  blocks(lineEnds: LineEnds): AsyncIterable<Buffer> | Iterable<Buffer>;
  /** The body alone, the empty line that separates it from the header included. */
  body(lineEnds: LineEnds): AsyncIterable<Buffer> | Iterable<Buffer>;
}
