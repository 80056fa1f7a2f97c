/** Chance that is the same in every run. */

/**
 * A number to start from: a sequence without end that looks like chance (Mulberry32). A list: these numbers, one after the
 * other; asking for more than there are throws.
 */
export type RandomNumbers = number | readonly number[] | (() => number);

/** `services.random` of a test. */
export function randomNumbers(source: RandomNumbers): () => number {
  if (typeof source === 'function') return source;
  return typeof source === 'number' ? seeded(source) : listed(source);
}

function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function listed(numbers: readonly number[]): () => number {
  let next = 0;
  return () => {
    const number = numbers[next++];
    if (number === undefined)
      throw new RangeError(`more than ${numbers.length} random numbers were asked for`);
    return number;
  };
}
