/**
 * Hashes of a body, one pass for each canonicalization and algorithm, however many signatures there are. RFC 6376 section
 * 3.4. In linear time whatever the lines look like, with memory that does not grow.
 */

import { createHash, type Hash } from 'node:crypto';

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const LINE_ENDS = Buffer.from('\r\n'.repeat(512));
const LINE_END = LINE_ENDS.subarray(0, 2);
const NOTHING = Buffer.alloc(0);

export type Canonicalization = 'simple' | 'relaxed';

/** One hash over the beginning of the canonical body: `l=`, RFC 6376 section 3.5. */
export class PartHash {
  readonly #hash: Hash;
  readonly #limit: number;
  #hashed = 0;

  /** Undefined `limit`: all of it. */
  constructor(algorithm: 'sha256' | 'sha1', limit: number | undefined) {
    this.#hash = createHash(algorithm);
    this.#limit = limit ?? Infinity;
  }

  /** Octets hashed so far. */
  get hashed(): number {
    return this.#hashed;
  }

  update(octets: Buffer): void {
    const room = this.#limit - this.#hashed;
    if (room <= 0) return;
    this.#hash.update(octets.length <= room ? octets : octets.subarray(0, room));
    this.#hashed += Math.min(octets.length, room);
  }

  digest(): string {
    return this.#hash.digest('base64');
  }
}

/** The canonical form of a body, handed to its hashes while the body comes. */
export class CanonicalBody {
  readonly parts: PartHash[] = [];
  readonly #isRelaxed: boolean;
  /** Line ends seen whose line may turn out to be one of the empty ones at the end, which do not count. */
  #heldLineEnds = 0;
  #heldCr = false;
  #heldBlank = false;
  #octets = 0;
  /** Of the relaxed form, used for each block again: a new one each time keeps the collector busy, which holds up all sessions. */
  #out = NOTHING;
  #isFinished = false;

  constructor(canonicalization: Canonicalization) {
    this.#isRelaxed = canonicalization === 'relaxed';
  }

  /** Octets of the canonical body. */
  get octets(): number {
    return this.#octets;
  }

  /** `block` is not kept. */
  update(block: Buffer): void {
    if (this.#isRelaxed) this.#relax(block);
    else this.#passOn(block);
  }

  /** The end: the last line gets a line end if it has none. Once is enough. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#heldCr) this.#emitContent(Buffer.from(this.#heldBlank ? ' \r' : '\r'));
    // An empty body is CRLF in simple form, and nothing in relaxed form. RFC 6376 sections 3.4.3 and 3.4.4.
    if (this.#octets > 0 || !this.#isRelaxed) this.#emit(LINE_END);
  }

  /** Simple: all as it is, but for the empty lines at the end. */
  #passOn(block: Buffer): void {
    let from = 0;
    if (this.#heldCr && block.length > 0) {
      this.#heldCr = false;
      if (block[0] === LF) {
        this.#heldLineEnds++;
        from = 1;
      } else this.#emitContent(Buffer.from([CR]));
    }
    let end = block.length;
    if (end > from && block[end - 1] === CR) {
      this.#heldCr = true;
      end--;
    }
    let content = end;
    while (content - 2 >= from && block[content - 1] === LF && block[content - 2] === CR) content -= 2;
    if (content > from) this.#emitContent(block.subarray(from, content));
    this.#heldLineEnds += (end - content) / 2;
  }

  /** Relaxed: blanks at the end of a line go, others become one space. */
  #relax(block: Buffer): void {
    // Every octet writes itself at most, with a held blank and a held CR in front of the first.
    if (this.#out.length < block.length + 2) this.#out = Buffer.allocUnsafe(block.length + 2);
    const out = this.#out;
    let length = 0;
    for (let at = 0; at < block.length; at++) {
      const octet = block[at]!;
      if (this.#heldCr) {
        this.#heldCr = false;
        if (octet === LF) {
          this.#heldBlank = false;
          this.#heldLineEnds++;
          continue;
        }
        length = this.#put(out, length, CR);
      }
      if (octet === SPACE || octet === TAB) this.#heldBlank = true;
      else if (octet === CR) this.#heldCr = true;
      else if (this.#heldBlank || this.#heldLineEnds > 0) length = this.#put(out, length, octet);
      else out[length++] = octet;
    }
    if (length > 0) this.#emit(out.subarray(0, length));
  }

  #put(out: Buffer, length: number, octet: number): number {
    let end = length;
    // Those of earlier blocks may be many; those of this block have made room for themselves.
    if (end === 0) this.#emitLineEnds();
    for (; this.#heldLineEnds > 0; this.#heldLineEnds--) {
      out[end++] = CR;
      out[end++] = LF;
    }
    if (this.#heldBlank) {
      this.#heldBlank = false;
      out[end++] = SPACE;
    }
    out[end++] = octet;
    return end;
  }

  #emitContent(octets: Buffer): void {
    if (octets.length === 0) return;
    this.#emitLineEnds();
    this.#emit(octets);
  }

  #emitLineEnds(): void {
    while (this.#heldLineEnds > 0) {
      const count = Math.min(this.#heldLineEnds, LINE_ENDS.length / 2);
      this.#emit(LINE_ENDS.subarray(0, count * 2));
      this.#heldLineEnds -= count;
    }
  }

  #emit(octets: Buffer): void {
    this.#octets += octets.length;
    for (const part of this.parts) part.update(octets);
  }
}
