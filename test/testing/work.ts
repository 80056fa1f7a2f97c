/** What a pool of a test has done. */

export const double = (number: number): number => 2 * number;

export function fail(): never {
  throw new Error('it failed');
}
