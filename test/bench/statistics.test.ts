import { describe, expect, test } from 'vitest';
import { pairRatios, rotate, showNumber, slopeOf, spreadOf } from '../../bench/statistics.ts';

describe('the arithmetic of the benchmarks', () => {
  test('a spread has the middle value, or the mean of the two middle ones', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3, count: 3 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4, count: 4 });
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  test('ratios are taken within a round, and a round that one side lacks is left out', () => {
    const values = [
      { round: 0, value: 10 },
      { round: 1, value: 30 },
      { round: 2, value: 50 },
    ];
    const base = [
      { round: 1, value: 10 },
      { round: 0, value: 5 },
      { round: 3, value: 1 },
    ];
    expect(pairRatios(values, base)).toEqual([2, 3]);
  });

  test('a base of nothing gives no ratio instead of an infinite one', () => {
    expect(pairRatios([{ round: 0, value: 1 }], [{ round: 0, value: 0 }])).toEqual([]);
  });

  test('every round begins with another one and leaves nobody out', () => {
    expect([0, 1, 2, 3].map((round) => rotate(['a', 'b', 'c'], round).join(''))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ]);
    expect(rotate([], 4)).toEqual([]);
  });

  test('the slope of points on a line is that of the line', () => {
    expect(slopeOf([1, 2, 10].map((x) => ({ x, y: 7 + 3 * x })))).toBeCloseTo(3);
    expect(slopeOf([{ x: 2, y: 9 }])).toBe(0);
  });

  test('numbers keep three digits that count', () => {
    expect([0, 0.04567, 1.2345, 12.345, 123.45, 12_345.6].map(showNumber)).toEqual([
      '0',
      '0.046',
      '1.23',
      '12.3',
      '123',
      '12,346',
    ]);
  });
});
