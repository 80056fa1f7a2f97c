/** What the chunks of BDAT contain, as `DataFlag`s. RFC 3030 section 2: no dots are stuffed and none ends anything. */

import { DataFlag } from '../contract.ts';

const LF = 0x0a;
const CR = 0x0d;
const HIGHEST_ASCII = 0x7f;
const NONE = -2;
/** Lines are counted up to this length. */
const LINE_LIMIT = 2 ** 30;
/** The CR stands before the block. */
const BEFORE = -1;

/** An octet at a time. A CR at the very end of what was scanned is none of the bare ones yet. */
export class ChunkScan {
  octets = 0;
  flags = 0;
  /** Octets of the line that has not ended, a CR at its end included. */
  #line = 0;
  #longest = 0;
  #endsInCr = false;

  scan(block: Uint8Array): void {
    const { length } = block;
    let flags = this.flags;
    let lineStart = -this.#line;
    let cr = this.#endsInCr ? BEFORE : NONE;
    let all = 0;
    for (let at = 0; at < length; at++) {
      const octet = block[at]!;
      all |= octet;
      if (octet > CR) continue;
      if (octet === LF) {
        const isCrLf = cr !== NONE && cr === at - 1;
        if (!isCrLf) flags |= cr === NONE ? DataFlag.BareLf : DataFlag.BareLf | DataFlag.BareCr;
        this.#longest = Math.max(this.#longest, (isCrLf ? at - 1 : at) - lineStart);
        lineStart = at + 1;
        cr = NONE;
      } else if (octet === CR) {
        if (cr !== NONE) flags |= DataFlag.BareCr;
        cr = at;
      } else if (octet === 0) flags |= DataFlag.Nul;
    }
    if (length === 0) return;
    this.#endsInCr = cr === length - 1;
    if (cr !== NONE && !this.#endsInCr) flags |= DataFlag.BareCr;
    this.flags = all > HIGHEST_ASCII ? flags | DataFlag.EightBit : flags;
    this.#line = Math.min(length - lineStart, LINE_LIMIT);
    this.octets += length;
  }

  /** Octets of the longest line without its line end, the unfinished last one included. */
  get longestLine(): number {
    return Math.max(this.#longest, this.#line - (this.#endsInCr ? 1 : 0));
  }
}
