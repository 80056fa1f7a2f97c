import { expect, test } from 'vitest';
import { addedMicroseconds, costRows } from '../../bench/fronts/rows.ts';
import { frontVerdicts } from '../../bench/report/budgets.ts';
import type { FrontCell, FrontResults } from '../../bench/results.ts';

/** A run with these costs of a message, in microseconds: round by round, direct and through httpd. */
function resultsOf(rounds: readonly (readonly [number, number])[], banners: readonly number[]): FrontResults {
  const cell = (server: string, round: number, microseconds: number): FrontCell => ({
    workload: 'W1',
    server,
    round,
    messages: 1_000,
    octets: 1_024_000,
    seconds: 2,
    cpuSeconds: microseconds / 1_000,
    frontSeconds: server === 'httpd' ? 0.09 : 0,
  });
  return {
    kind: 'fronts',
    rounds: rounds.length,
    isPinned: false,
    workloads: [{ id: 'W1', title: 'one', about: 'One.' }],
    httpd: { version: '2.4', settings: 'none' },
    run: {} as FrontResults['run'],
    cells: rounds.flatMap(([direct, httpd], round) => [
      cell('httpd', round, httpd),
      cell('direct', round, direct),
    ]),
    banners: banners.map((median, index) => ({
      way: String(index),
      milliseconds: { min: median, median, max: median, count: 1 },
    })),
  };
}

test('what httpd adds is the difference within a round, by the median', () => {
  const results = resultsOf(
    [
      [100, 240],
      [500, 645],
      [100, 200],
    ],
    [0.3, 1],
  );
  expect(addedMicroseconds(results, 'W1').median).toBeCloseTo(140);
  expect(frontVerdicts(results).map(({ isKept }) => isKept)).toEqual([true, true]);
  expect(costRows(results)).toEqual([
    ['W1', 'direct', '100', '100', '500', '-', '500'],
    ['W1', 'through httpd and mod_qpsmtpd', '240', '200', '645', '90.0', '500'],
  ]);
});

test('a budget that is exceeded is missed', () => {
  const verdicts = frontVerdicts(resultsOf([[100, 251]], [0.3, 5.4]));
  expect(verdicts.map(({ isKept }) => isKept)).toEqual([false, false]);
  expect(verdicts.map(({ measured }) => measured)).toEqual(['151 us (151 to 151)', '5.10 ms']);
});
