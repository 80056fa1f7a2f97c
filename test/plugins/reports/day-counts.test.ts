/** What is counted by the day: once for all processes, within bounds, and at no cost for a message where the store is down. */

import { expect, test } from 'vitest';
import { MemoryStores, TestClock } from '../../../host/testing/index.ts';
import {
  DAY_MS,
  DayCounts,
  dayOf,
  daysOf,
  domainsOf,
  parseDay,
  printDay,
  readDomainDay,
} from '../../../plugins/reports/day-counts.ts';

const DAY = 20_000;

function counting() {
  const clock = new TestClock(DAY * DAY_MS);
  const stores = new MemoryStores(clock);
  const store = stores.open('reports');
  const warnings: string[] = [];
  const open = () =>
    new DayCounts<{ readonly ip: string }, { readonly p: string }>({
      store,
      clock,
      log: { warn: (text) => void warnings.push(text) },
    });
  return { clock, stores, store, warnings, open };
}

test('days have numbers, and are written as everybody writes them', () => {
  expect(printDay(dayOf(Date.parse('2026-11-30T23:59:59Z')))).toBe('2026-11-30');
  expect(parseDay('2026-11-30')).toBe(dayOf(Date.parse('2026-11-30T12:00:00Z')));
  for (const text of ['2026-11-31x', 'yesterday', '2026-13-01', '']) expect(parseDay(text)).toBeUndefined();
});

test('two processes count the same rows together; the policy is the one told last', async () => {
  const { store, open } = counting();
  const [one, other] = [open(), open()];
  one.count('a.example', { p: 'none' }, { ip: '192.0.2.1' });
  one.count('a.example', { p: 'none' }, { ip: '192.0.2.1' });
  one.count('a.example', { p: 'none' }, { ip: '192.0.2.2' });
  await one.write();
  other.count('a.example', { p: 'reject' }, { ip: '192.0.2.1' }, 5);
  other.count('b.example', { p: 'none' }, { ip: '192.0.2.9' });
  await other.close();
  expect(await daysOf(store)).toEqual([DAY]);
  expect(await domainsOf(store, DAY)).toEqual(['a.example', 'b.example']);
  const found = await readDomainDay<{ ip: string }, { p: string }>(store, DAY, 'a.example');
  expect(found?.about).toEqual({ p: 'reject' });
  expect([...found!.rows].sort((a, b) => a.count - b.count)).toEqual([
    { row: { ip: '192.0.2.2' }, count: 1 },
    { row: { ip: '192.0.2.1' }, count: 7 },
  ]);
  expect(await readDomainDay(store, DAY, 'c.example')).toBeUndefined();
});

test('what anybody can vary fills no store: rows beyond the bound are dropped, and told the next day', async () => {
  const { clock, store, open, warnings } = counting();
  const counts = open();
  for (let n = 0; n < 6_000; n++) counts.count('a.example', { p: 'none' }, { ip: `client ${n}` });
  counts.count('b.example', { p: 'none' }, { ip: 'x' });
  await counts.write();
  expect((await readDomainDay(store, DAY, 'a.example'))?.rows).toHaveLength(5_000);
  expect((await readDomainDay(store, DAY, 'b.example'))?.rows).toHaveLength(1);
  clock.advance(DAY_MS);
  counts.count('a.example', { p: 'none' }, { ip: 'client 1' });
  expect(warnings).toEqual([`1000 rows of ${printDay(DAY)} were too many to be reported`]);
  await counts.close();
  expect(await daysOf(store)).toEqual([DAY + 1, DAY]);
});

test('a store that is down loses counts and says so; later ones are written', async () => {
  const { stores, store, open, warnings } = counting();
  const counts = open();
  stores.fail();
  counts.count('a.example', { p: 'none' }, { ip: '192.0.2.1' });
  await counts.write();
  expect(warnings).toEqual([expect.stringMatching(/^counts of 1 rows are lost to reports: /)]);
  stores.mend();
  counts.count('a.example', { p: 'none' }, { ip: '192.0.2.2' });
  await counts.close();
  expect((await readDomainDay(store, DAY, 'a.example'))?.rows).toEqual([
    { row: { ip: '192.0.2.2' }, count: 1 },
  ]);
});
