/** What the chunks of BDAT contain, as `DataFlag`s. RFC 3030 section 2. */

import { DataFlag, type Core, type Slot } from '../../bindings/core/contract.ts';

const LF = 0x0a;
const CR = 0x0d;

export class ChunkContent {
  octets = 0;
  readonly #core: Core;
  readonly #slot: Slot;
  #last = LF;

  /** The slot stays its opener's, who also gives it back. */
  constructor(core: Core, slot: Slot) {
    this.#core = core;
    this.#slot = slot;
  }

  scan(block: Buffer): void {
    if (block.length === 0) return;
    this.#core.content(this.#slot, block, 0, block.length);
    this.#last = block[block.length - 1]!;
    this.octets += block.length;
  }

  /** What was seen, if nothing more comes: a CR at the very end is a bare one. */
  get flags(): number {
    const flags = this.#core.dataFlags(this.#slot);
    return this.#last === CR ? flags | DataFlag.BareCr : flags;
  }

  /** Octets of the longest line without its line end, the unfinished last one included. */
  get longestLine(): number {
    return this.#core.longestLine(this.#slot);
  }

  /** The last line has no line end. */
  get isInsideLine(): boolean {
    return this.#last !== LF;
  }
}
