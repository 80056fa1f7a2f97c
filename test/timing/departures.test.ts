import { expect, test } from 'vitest';
import { departSoon } from '../../bindings/timing/departures.ts';

/** What has departed, in order. */
const gone: string[] = [];
const named = (name: string, also: () => void = () => undefined) => ({
  depart: () => {
    gone.push(name);
    also();
  },
});
/** Two rounds of events: what the first begins is through behind the second. */
const later = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('all that asked while an event was dealt with depart together behind it, first come first', async () => {
  gone.length = 0;
  departSoon(named('a'));
  departSoon(named('b'));
  await Promise.resolve();
  departSoon(named('c'));
  process.nextTick(() => departSoon(named('d')));
  expect(gone).toEqual([]);
  const [first] = await Promise.all([
    new Promise<string[]>((resolve) => setImmediate(() => resolve([...gone]))),
    later(),
  ]);
  expect(first).toEqual(['a', 'b', 'c', 'd']);
  expect(gone).toEqual(first);
});

test('one that asks while others depart does so behind them, once', async () => {
  gone.length = 0;
  departSoon(named('a', () => departSoon(named('behind a'))));
  departSoon(named('b'));
  await later();
  await later();
  expect(gone).toEqual(['a', 'b', 'behind a']);
});
