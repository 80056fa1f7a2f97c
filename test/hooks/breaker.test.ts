import { expect, test } from 'vitest';
import { Breaker, FIRST_PAUSE_MS, MAX_PAUSE_MS, MAX_IN_A_ROW, MAX_LATE } from '../../host/hooks/hook-step.ts';

function tripped(at = 0): Breaker {
  const breaker = new Breaker();
  for (let time = 1; time < MAX_IN_A_ROW; time++) expect(breaker.fail(at)).toBe(false);
  expect(breaker.fail(at)).toBe(true);
  return breaker;
}

test('so many failures in a row take the plugin out; one success between them does not let it come to that', () => {
  expect(tripped().isOut).toBe(true);
  const breaker = new Breaker();
  for (let time = 0; time < 10 * MAX_IN_A_ROW; time++) {
    if (time % (MAX_IN_A_ROW - 1) === 0) breaker.succeed(0);
    expect(breaker.fail(0)).toBe(false);
  }
  expect(breaker.isOut).toBe(false);
});

test('after the pause one call may try; its success lets the plugin back in', () => {
  const breaker = tripped(1_000);
  expect(breaker.letTry(1_000 + FIRST_PAUSE_MS - 1)).toBe(false);
  expect(breaker.letTry(1_000 + FIRST_PAUSE_MS)).toBe(true);
  expect(breaker.letTry(1_000 + FIRST_PAUSE_MS)).toBe(false);
  expect(breaker.succeed(1_000 + FIRST_PAUSE_MS)).toBe(true);
  expect([breaker.isOut, breaker.isTroubled]).toEqual([false, false]);
});

test('a trial that fails doubles the pause, up to ten minutes', () => {
  const breaker = tripped();
  let now = 0;
  const pauses: number[] = [];
  for (let time = 0; time < 7; time++) {
    pauses.push(breaker.pauseMs);
    now += breaker.pauseMs;
    expect(breaker.letTry(now)).toBe(true);
    expect(breaker.fail(now)).toBe(true);
  }
  expect(pauses).toEqual([30, 60, 120, 240, 480, 600, 600].map((seconds) => seconds * 1_000));
});

test('a plugin that was in for long begins with the first pause again, one that was not goes on doubling', () => {
  const breaker = tripped();
  breaker.letTry(FIRST_PAUSE_MS);
  breaker.succeed(FIRST_PAUSE_MS);
  for (let time = 0; time < MAX_IN_A_ROW; time++) breaker.fail(FIRST_PAUSE_MS + 1);
  expect(breaker.pauseMs).toBe(2 * FIRST_PAUSE_MS);
  const backAt = FIRST_PAUSE_MS + 1 + breaker.pauseMs;
  breaker.letTry(backAt);
  breaker.succeed(backAt);
  for (let time = 0; time < MAX_IN_A_ROW; time++) breaker.fail(backAt + MAX_PAUSE_MS + 1);
  expect([breaker.pauseMs, breaker.trips]).toEqual([FIRST_PAUSE_MS, 3]);
});

test('errors after answers take the plugin out if they come within a minute, whatever the answers were', () => {
  const breaker = new Breaker();
  for (let time = 1; time < MAX_LATE; time++) {
    breaker.succeed(time);
    expect(breaker.failLate(time)).toBe(false);
  }
  expect(breaker.failLate(MAX_LATE)).toBe(true);
  const slow = new Breaker();
  for (let time = 0; time < 100; time++) expect(slow.failLate(time * 10_000)).toBe(false);
});
