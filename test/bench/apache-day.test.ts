import { describe, expect, test } from 'vitest';
import { extrapolate, showDuration } from '../../bench/apache-day/account.ts';
import {
  chance,
  checkMix,
  DEFAULT_MIX,
  outcomeOf,
  OUTCOMES,
  LISTED_ADDRESS,
  refusedShare,
  sizeOf,
  visitsOf,
  type ClientOutcome,
} from '../../bench/apache-day/mix.ts';
import { parseDayOptions } from '../../bench/apache-day/options.ts';

const ATTEMPTS = 20_000;

function countOutcomes(): Map<ClientOutcome, number> {
  const outcomes = new Map<ClientOutcome, number>();
  const count = (outcome: ClientOutcome): void =>
    void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  for (const visit of visitsOf(DEFAULT_MIX, ATTEMPTS, { count }))
    expect(visit.script.length).toBeGreaterThan(0);
  return outcomes;
}

describe('a day of apache.org', () => {
  test('most attempts are refused, and the shares of a sample are those of the mix', () => {
    const outcomes = countOutcomes();
    const share = (outcome: ClientOutcome): number => (outcomes.get(outcome) ?? 0) / ATTEMPTS;
    expect(share('connect')).toBeCloseTo(DEFAULT_MIX.refusedAtConnect, 1);
    expect(share('rcpt')).toBeCloseTo(DEFAULT_MIX.refusedAtRcpt, 1);
    expect(share('accepted')).toBeCloseTo(1 - refusedShare(DEFAULT_MIX), 1);
    expect([...outcomes.values()].reduce((sum, count) => sum + count)).toBe(ATTEMPTS);
  });

  test('each number has one outcome, in the order in which a session goes', () => {
    expect([0, 0.51, 0.57, 0.63, 0.81, 0.99].map((at) => outcomeOf(DEFAULT_MIX, at))).toEqual([...OUTCOMES]);
  });

  test('the day is the same in every run, and another one with another seed', () => {
    const day = (seed: number): string =>
      [...visitsOf(DEFAULT_MIX, 50, { seed })].map(({ script }) => script.length).join();
    expect(day(1)).toBe(day(1));
    expect(day(1)).not.toBe(day(2));
  });

  test('those refused at connect come from the listed address, and nobody starts TLS that is not offered', () => {
    const visits = [...visitsOf(DEFAULT_MIX, 500)];
    expect(
      visits.filter(({ from }) => from === LISTED_ADDRESS).every(({ script }) => script.length === 1),
    ).toBe(true);
    expect(visits.some(({ script }) => script.some(({ kind }) => kind === 'starttls'))).toBe(false);
    const offered = [...visitsOf(DEFAULT_MIX, 500, { offersTls: true })];
    expect(offered.some(({ script }) => script.some(({ kind }) => kind === 'starttls'))).toBe(true);
  });

  test('half of the messages are smaller than the median, and none is larger than the largest', () => {
    const random = chance(3);
    const sizes = Array.from({ length: 4_001 }, () => sizeOf(DEFAULT_MIX, random(), random())).sort(
      (a, b) => a - b,
    );
    expect(sizes[2_000]! / DEFAULT_MIX.medianOctets).toBeCloseTo(1, 0);
    expect(sizes.at(-1)).toBeLessThanOrEqual(DEFAULT_MIX.largestOctets);
  });

  test('shares that are no shares are refused', () => {
    expect(() => checkMix({ ...DEFAULT_MIX, refusedAtConnect: 0.9 })).toThrow(RangeError);
    expect(() => parseDayOptions(['--tls-share', '1.5'])).toThrow(RangeError);
    expect(parseDayOptions(['--refused-at-connect', '0']).mix.refusedAtConnect).toBe(0);
  });

  test('the day is the sample times as many attempts as it has', () => {
    expect(extrapolate({ attempts: 1_000, dayMessages: 2_000_000, seconds: 2, cpuSeconds: 0.5 })).toEqual({
      daySeconds: 4_000,
      dayCpuSeconds: 1_000,
    });
    expect([90, 600, 5_000].map(showDuration)).toEqual(['90.0 s', '10 min', '1 h 23 min']);
  });
});
