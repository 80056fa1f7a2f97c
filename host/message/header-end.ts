/** Where the header of a message ends. RFC 5322 section 2.1. */

import { MAX_HEADER_OCTETS } from '../../bindings/core/contract.ts';

const LF = 0x0a;
const CR = 0x0d;

/** Where in a line the octets seen so far stop. */
type Within = 'line start' | 'CR at line start' | 'line';

/**
 * Looks for the empty line while a message arrives. Every octet is looked at once, wherever blocks are cut. Lines may
 * end in LF alone: an end of the header for other software must be one here too, or a field could hide from the
 * filters.
 */
export class HeaderEnd {
  #position = -1;
  #seen = 0;
  #within: Within = 'line start';

  /** First octet of the empty line, counted from the start of the message; -1 while it has not come. */
  get position(): number {
    return this.#position;
  }

  /** Found, or `MAX_HEADER_OCTETS` went by without it: nothing more to search. */
  get isOver(): boolean {
    return this.#position >= 0 || this.#seen >= MAX_HEADER_OCTETS;
  }

  /** Takes the next octets of the message: [from, to) of `block`. */
  search(block: Buffer, from: number, to: number): void {
    const base = this.#seen - from;
    const end = Math.min(to, MAX_HEADER_OCTETS - base);
    let at = from;
    while (at < end && this.#position < 0) {
      if (this.#within === 'line') {
        const lineEnd = block.indexOf(LF, at);
        if (lineEnd < 0 || lineEnd >= end) break;
        this.#within = 'line start';
        at = lineEnd + 1;
        continue;
      }
      const octet = block[at];
      if (octet === LF) this.#position = base + at - (this.#within === 'line start' ? 0 : 1);
      else if (octet === CR && this.#within === 'line start') this.#within = 'CR at line start';
      else this.#within = 'line';
      at++;
    }
    this.#seen += to - from;
  }
}
