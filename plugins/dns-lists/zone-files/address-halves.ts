/** A shortcut into sorted addresses: where those with each upper half of their first word begin. */

/** Fewer are searched as fast without. */
const MIN_ADDRESSES = 4_096;
const HALVES = 0x1_0000;

/**
 * For each 16 bits the number of the first address that begins with them, or with more; one more at the end. Empty for short lists.
 * Each address has `words` words.
 */
export function halvesOf(addresses: Uint32Array, words: number): Uint32Array {
  const count = addresses.length / words;
  if (count < MIN_ADDRESSES) return new Uint32Array(0);
  const halves = new Uint32Array(new SharedArrayBuffer((HALVES + 1) * 4));
  let address = 0;
  for (let half = 0; half <= HALVES; half++) {
    while (address < count && addresses[address * words]! >>> 16 < half) address++;
    halves[half] = address;
  }
  return halves;
}
