const SHORT = 1_500;
const CUTS_OF_A_LONG_ONE = 160;

/**
 * Where to cut an input in two: everywhere, or for a long one at the edges of 64-octet steps at both ends, at the
 * window, and evenly spread next to octets that differ from the one before.
 */
export function cutPositions(input: Uint8Array): readonly number[] {
  const { length } = input;
  if (length <= SHORT) return Array.from({ length: length + 1 }, (_, index) => index);
  const turns: number[] = [];
  for (let at = 1; at < length; at++) if (input[at] !== input[at - 1]) turns.push(at - 1, at, at + 1);
  const stride = Math.max(1, Math.floor(turns.length / CUTS_OF_A_LONG_ONE));
  const positions = new Set(turns.filter((_, index) => index % stride === 0));
  for (const edge of [0, 64, 128, 65_536, length - 64, length]) {
    for (let near = edge - 4; near <= edge + 4; near++) positions.add(near);
  }
  return [...positions].filter((cut) => cut >= 0 && cut <= length).sort((a, b) => a - b);
}

/** One octet a chunk; long inputs in chunks of seven, which falls on every phase of a 64-octet step. */
export function crumbCuts(input: Uint8Array): readonly number[] {
  const size = input.length > 4_000 ? 7 : 1;
  const count = Math.max(0, Math.ceil(input.length / size) - 1);
  return Array.from({ length: count }, (_, index) => (index + 1) * size);
}
