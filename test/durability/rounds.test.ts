/** When a run of `npm run test:kill` counts as a success. */

import { expect, test } from 'vitest';
import { isDurable, printResult, type RoundsResult } from './rounds.ts';

const GOOD: RoundsResult = {
  rounds: 2,
  emptyRounds: 0,
  acknowledged: 10,
  refused: 3,
  delivered: 11,
  lost: [],
  damaged: 0,
  duplicates: 1,
  unacknowledged: 1,
};

test('every round has acknowledged something, and all of that is there', () => {
  expect(isDurable(GOOD)).toBe(true);
});

test.each<[string, Partial<RoundsResult>]>([
  ['nothing was acknowledged', { acknowledged: 0, delivered: 0, emptyRounds: 2 }],
  ['one round acknowledged nothing', { emptyRounds: 1 }],
  ['there was no round', { rounds: 0, acknowledged: 0, delivered: 0 }],
  ['a message is lost', { lost: ['one'] }],
  ['a message is damaged', { damaged: 1 }],
])('fails where %s', (_, part) => {
  expect(isDurable({ ...GOOD, ...part })).toBe(false);
});

test('rounds that proved nothing are named', () => {
  expect(printResult('spool', { ...GOOD, emptyRounds: 1 })).toContain('1 rounds acknowledged nothing');
});
