/** Texts of Latin-1, each kept once and known by its number: a million of them take little more than their octets. */

import { GrowingNumbers, sharedOctets, sharedWords } from './shared-arrays.ts';

/** What can be searched, by `findText`. */
export interface TextTable {
  readonly octets: Uint8Array;
  /** Where each text begins, and the end of the last. */
  readonly starts: Uint32Array;
  /** By hash: number of the text + 1, 0 where there is none. A power of two long. */
  readonly slots: Uint32Array;
  readonly seed: number;
}

/**
 * The hash of a text is made from its end, so that those of all domains above a name come up on the way. The seed is drawn for
 * each reading: owners of domains can't choose names that share a slot.
 */
export const hashStep = (hash: number, code: number): number => Math.imul(hash ^ code, 0x0100_0193);

function slotHash(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

export function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let at = text.length - 1; at >= 0; at--) hash = hashStep(hash, text.charCodeAt(at));
  return hash;
}

/** The number of the text that `text` has from `from` on, and whose hash is `hash`; -1 if it is not there. */
export function findText(table: TextTable, hash: number, text: string, from = 0): number {
  const { slots } = table;
  const mask = slots.length - 1;
  for (let slot = slotHash(hash) & mask; ; slot = (slot + 1) & mask) {
    const number = slots[slot]! - 1;
    if (number < 0 || isText(table, number, text, from)) return number;
  }
}

function isText({ octets, starts }: TextTable, number: number, text: string, from: number): boolean {
  let at = starts[number]!;
  const length = text.length - from;
  if (starts[number + 1]! - at !== length) return false;
  for (let index = from; index < text.length; index++)
    if (octets[at++] !== text.charCodeAt(index)) return false;
  return true;
}

export function textAt({ octets, starts }: Pick<TextTable, 'octets' | 'starts'>, number: number): string {
  const [start, end] = [starts[number]!, starts[number + 1]!];
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).latin1Slice(start, end);
}

export class TextPool {
  #octets = new Uint8Array(65_536);
  readonly #starts = new GrowingNumbers();
  #slots = new Uint32Array(1_024);
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#starts.push(0);
  }

  get size(): number {
    return this.#starts.length - 1;
  }

  /** The number of a text of Latin-1; the next one if it is new. */
  add(text: string): number {
    const hash = hashOf(text, this.#seed);
    const found = findText(this.#table(), hash, text);
    if (found >= 0) return found;
    const number = this.size;
    const start = this.#starts.at(number);
    this.#reserve(start + text.length);
    for (let index = 0; index < text.length; index++) this.#octets[start + index] = text.charCodeAt(index);
    this.#starts.push(start + text.length);
    // At most half full, so that a search meets an empty slot soon.
    if (this.size * 2 > this.#slots.length) this.#rehash();
    else this.#place(number, hash);
    return number;
  }

  finish(): TextTable {
    return {
      octets: sharedOctets(this.#octets.subarray(0, this.#starts.at(this.size))),
      starts: sharedWords(this.#starts.items),
      slots: sharedWords(this.#slots),
      seed: this.#seed,
    };
  }

  #table(): TextTable {
    return { octets: this.#octets, starts: this.#starts.memory, slots: this.#slots, seed: this.#seed };
  }

  #reserve(length: number): void {
    if (length <= this.#octets.length) return;
    const larger = new Uint8Array(Math.max(length, this.#octets.length * 2));
    larger.set(this.#octets);
    this.#octets = larger;
  }

  #place(number: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = slotHash(hash) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.size; number++) {
      let hash = this.#seed;
      for (let at = this.#starts.at(number + 1) - 1; at >= this.#starts.at(number); at--)
        hash = hashStep(hash, this.#octets[at]!);
      this.#place(number, hash);
    }
  }
}
