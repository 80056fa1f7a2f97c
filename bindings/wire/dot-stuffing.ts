/** Content on its way out by DATA, dots doubled where they begin a line. RFC 5321 section 4.5.2. */

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const LONE_DOT = Buffer.from('.');
const END = Buffer.from('.\r\n');
const END_BEHIND_LINE = Buffer.from('\r\n.\r\n');
/** Blocks with more dots than this are copied: a view for each would cost more. */
const MANY_DOTS = 16;

/**
 * A dot after a CR or LF that stands alone: some hops take that for the beginning of a line, others do not, and an end of
 * data that only one of two hosts sees smuggles a second message past the other.
 */
export class StrayLineEnd extends Error {
  constructor() {
    super('a dot behind a bare CR or LF');
  }
}

/** A whole content, its end included, in one buffer of its own. Throws a `StrayLineEnd`. */
export function stuffedWhole(blocks: readonly Buffer[]): Buffer {
  const stuffing = new DotStuffing();
  const content = Buffer.concat([...blocks, END_BEHIND_LINE]);
  const end = content.length - END_BEHIND_LINE.length;
  const pieces = stuffing.stuff(content.subarray(0, end));
  const ending = stuffing.end();
  const isAsItWas = pieces.length === 0 || (pieces.length === 1 && pieces[0]!.length === end);
  if (!isAsItWas) return Buffer.concat([...pieces, ending]);
  // Most have no dot to double: the end is behind the content already, and only has to begin with its dot.
  if (ending !== END) return content;
  ending.copy(content, end);
  return content.subarray(0, end + ending.length);
}

/** Doubles the dots at the beginning of lines, over blocks cut anywhere. What comes out are views where possible. */
export class DotStuffing {
  /** The last two octets that went by; the content begins as if after a CRLF. */
  #before = CR;
  #last = LF;

  /** The pieces to send for `block`. Throws a `StrayLineEnd`; nothing that was stuffed may be ended by a dot then. */
  stuff(block: Buffer): Buffer[] {
    if (block.length === 0) return [];
    const pieces: Buffer[] = [];
    if (block[0] === DOT && this.#isBehindLine()) pieces.push(LONE_DOT);
    let from = 0;
    for (let at = block.indexOf('\n.'); at >= 0; at = block.indexOf('\n.', at + 1)) {
      if ((at === 0 ? this.#last : block[at - 1]) !== CR) throw new StrayLineEnd();
      // The dot goes out twice: as the end of this piece and as the beginning of the next.
      pieces.push(block.subarray(from, at + 2));
      from = at + 1;
    }
    if (block.indexOf('\r.') >= 0) throw new StrayLineEnd();
    pieces.push(from === 0 ? block : block.subarray(from));
    this.#before = block.length > 1 ? block[block.length - 2]! : this.#last;
    this.#last = block[block.length - 1]!;
    return pieces.length > MANY_DOTS ? [Buffer.concat(pieces)] : pieces;
  }

  /** What ends the content: a last line without CRLF gets one. */
  end(): Buffer {
    return this.#before === CR && this.#last === LF ? END : END_BEHIND_LINE;
  }

  #isBehindLine(): boolean {
    if (this.#last === CR || (this.#last === LF && this.#before !== CR)) throw new StrayLineEnd();
    return this.#last === LF;
  }
}

/**
 * The same for lines that end in LF, as batched SMTP has them. A line begins after a lone CR too: receivers that take one for
 * a line end must not read what follows as commands (SMTP smuggling).
 */
export class LfDotStuffing {
  isAtLineStart = true;

  *stuff(block: Buffer): Iterable<Buffer> {
    let done = 0;
    for (let dot = block.indexOf(DOT); dot !== -1; dot = block.indexOf(DOT, dot + 1)) {
      const before = dot === 0 ? undefined : block[dot - 1];
      if (before === undefined ? !this.isAtLineStart : before !== LF && before !== CR) continue;
      yield block.subarray(done, dot);
      yield LONE_DOT;
      done = dot;
    }
    if (block.length === 0) return;
    yield block.subarray(done);
    this.isAtLineStart = [LF, CR].includes(block.at(-1)!);
  }
}
