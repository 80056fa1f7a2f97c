/** Arrays of numbers that threads share: what one has built, the others read, and nothing is copied between them. */

/** Of the width that the largest number needs. */
export type Numbers = Uint8Array | Uint16Array | Uint32Array;

/** Numbers of 32 bits that come one after the other. */
export class GrowingNumbers {
  #items = new Uint32Array(1_024);
  length = 0;

  push(item: number): void {
    if (this.length === this.#items.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length++] = item;
  }

  at(index: number): number {
    return this.#items[index]!;
  }

  set(index: number, item: number): void {
    this.#items[index] = item;
  }

  /** With room after the last item; valid until the next `push`. */
  get memory(): Uint32Array {
    return this.#items;
  }

  /** A view, valid until the next `push`. */
  get items(): Uint32Array {
    return this.#items.subarray(0, this.length);
  }
}

export function sharedWords(items: Uint32Array): Uint32Array {
  const shared = new Uint32Array(new SharedArrayBuffer(items.length * 4));
  shared.set(items);
  return shared;
}

export function sharedOctets(items: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(items.length));
  shared.set(items);
  return shared;
}

/** Lists of a million networks have a handful of answers: an octet for each in place of four. */
export function narrowed(items: Uint32Array): Numbers {
  let largest = 0;
  for (const item of items) if (item > largest) largest = item;
  const octets = largest < 0x100 ? 1 : largest < 0x1_0000 ? 2 : 4;
  const buffer = new SharedArrayBuffer(items.length * octets);
  const shared =
    octets === 1 ? new Uint8Array(buffer) : octets === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
  shared.set(items);
  return shared;
}

const DIGIT = 0x1_0000;

/**
 * The order of the items `0` to `length - 1`: by the first key, then by the second, and so on; those with equal keys stay as
 * they are. Keys have 32 bits.
 */
export function sortedOrder(keys: readonly Uint32Array[], length: number): Uint32Array {
  let order = new Uint32Array(length).map((_, index) => index);
  let other = new Uint32Array(length);
  for (const key of [...keys].reverse()) {
    for (const shift of [0, 16]) {
      const ends = new Uint32Array(DIGIT + 1);
      for (let index = 0; index < length; index++) ends[((key[index]! >>> shift) & 0xffff) + 1]!++;
      for (let digit = 0; digit < DIGIT; digit++) ends[digit + 1]! += ends[digit]!;
      for (const index of order) other[ends[(key[index]! >>> shift) & 0xffff]!++] = index;
      [order, other] = [other, order];
    }
  }
  return order;
}
