/** The arithmetic of the benchmarks: small samples, ratios within a round, sizes for people. */

/** Smallest, middle and largest of some measurements, and how many there were. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly count: number;
}

/** Throws for an empty list: what was not measured has no spread. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)!, count: sorted.length };
}

/** A measurement that belongs to a round; what happens on the machine in a round touches all who ran in it. */
export interface InRound {
  readonly round: number;
  readonly value: number;
}

/** Each value over the base's value of the same round; rounds that only one of them has are left out. */
export function pairRatios(values: readonly InRound[], base: readonly InRound[]): number[] {
  const baseOf = new Map(base.map(({ round, value }) => [round, value]));
  return values.flatMap(({ round, value }) => {
    const under = baseOf.get(round);
    return under === undefined || under === 0 ? [] : [value / under];
  });
}

/** The list begun at another place in every round, so that nobody always runs first or after the same one. */
export function rotate<T>(list: readonly T[], by: number): T[] {
  if (list.length === 0) return [];
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** The slope of the least-squares line through the points: cost per unit of x. */
export function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / n;
  const over = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

/** Three significant digits, and commas between thousands. */
export function showNumber(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.max(0, 2 - magnitude);
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(decimals, 3),
    maximumFractionDigits: Math.min(decimals, 3),
  });
}
