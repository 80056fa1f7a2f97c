/** When accepting pauses, what the log says of it, and how many clients descriptors are enough for. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Acceptance, clientsByDescriptors, descriptorLimit } from '../../host/intake/acceptance.ts';
import type { ListenerWatch } from '../../host/intake/incoming-connection.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function trial({ canPause = true } = {}) {
  const clock = { ms: 0 };
  const log: string[] = [];
  const paused: boolean[] = [];
  const lost: Error[] = [];
  let watch: ListenerWatch | undefined;
  const acceptance = new Acceptance({
    acceptors: [
      {
        bind: () => Promise.resolve(''),
        close: () => Promise.resolve(),
        open: (_emit, given) => (watch = given),
        setPaused: (isPaused) => (paused.push(isPaused), canPause),
      },
    ],
    places: '5 places',
    log: (_level, text) => log.push(text),
    lost: (error) => lost.push(error),
    now: () => clock.ms,
  });
  acceptance.open(() => undefined);
  return { acceptance, clock, log, paused, lost, watch: watch! };
}

describe('a full house', () => {
  test('pauses and goes on, with one line for each', () => {
    const { acceptance, log, paused } = trial();
    acceptance.setFull(true);
    acceptance.setFull(true);
    acceptance.setFull(false);
    expect(paused).toEqual([true, false]);
    expect(log).toEqual([
      'all 5 places are taken: accepting pauses',
      'a place is free again: accepting goes on',
    ]);
  });

  test('is not told again within a minute, however often it happens', () => {
    const { acceptance, clock, log, paused } = trial();
    for (let i = 0; i < 100; i++) {
      acceptance.setFull(true);
      acceptance.setFull(false);
    }
    expect(paused).toHaveLength(200);
    expect(log).toHaveLength(2);
    clock.ms = 60_000;
    acceptance.setFull(true);
    expect(log).toHaveLength(3);
  });

  test('lets clients wait where the listener cannot pause', () => {
    const { acceptance, log } = trial({ canPause: false });
    acceptance.setFull(true);
    expect(log).toEqual(['all 5 places are taken: clients wait']);
  });
});

test('accepting rests for a second when the system is out of something, and stays paused while the house is full', () => {
  const { acceptance, log, paused, watch } = trial();
  watch.refused('no descriptor left');
  watch.refused('no descriptor left');
  acceptance.setFull(true);
  vi.advanceTimersByTime(1_000);
  expect(paused.at(-1)).toBe(true);
  acceptance.setFull(false);
  expect(paused.at(-1)).toBe(false);
  expect(log[0]).toBe('no descriptor left: accepting rests for 1 s');
  expect(log.filter((line) => line.startsWith('no descriptor'))).toHaveLength(1);
});

test('a listener that is lost is logged and passed on', () => {
  const { log, lost, watch } = trial();
  watch.lost(new Error('gone'));
  expect([log, lost.map(({ message }) => message)]).toEqual([['gone'], ['gone']]);
});

test.each([
  [64, 12],
  [128, 60],
  [256, 156],
  [1_024, 732],
  [20, 1],
  [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
])('%d descriptors are enough for %d clients', (descriptors, clients) => {
  expect(clientsByDescriptors(descriptors)).toBe(clients);
});

test('the limit of this process is read', () => {
  expect(descriptorLimit()).toBeGreaterThan(20);
});
