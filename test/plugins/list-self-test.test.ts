/** RFC 5782 section 5: the entries a list must have and must not have, and what becomes of lists that are not in order. */

import { describe, expect, test } from 'vitest';
import type { Log } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestClock, type FakeDnsZones, type FakeResolver } from '../../host/testing/index.ts';
import { RemoteList, type RemoteListOptions } from '../../plugins/dns-lists/remote-list.ts';

/** ::FFFF:7F00:2 without its last digit, backwards. */
const SIX = `${[...'00000000000000000000ffff7f00000'].reverse().join('.')}.bl.test`;
const HOUR = 3_600_000;
const found = { A: ['127.0.0.2'] };

interface Watched {
  readonly list: RemoteList;
  readonly dns: FakeResolver;
  readonly clock: TestClock;
  readonly log: string[];
}

function watched(
  zones: FakeDnsZones,
  options: Partial<RemoteListOptions> = {},
  kind: 'addresses' | 'domains' = 'addresses',
): Watched {
  const dns = fakeResolver(zones);
  const clock = new TestClock();
  const log: string[] = [];
  const write = (level: string) => (text: string) => void log.push(`${level}: ${text}`);
  const all = {
    writes: () => true,
    at: (level: number, text: string) => void log.push(`${level}: ${text}`),
    error: write('error'),
    warn: write('warn'),
    notice: write('notice'),
    info: write('info'),
    debug: write('debug'),
  } satisfies Log;
  const watch = { kind, clock, log: all, ...options.watch };
  return { list: new RemoteList('bl.test', { dns, ...options, watch }), dns, clock, log };
}

const stateOf = async (list: RemoteList, subject: string): Promise<string> => (await list.ask(subject)).state;

/** Zones, what is asked about, and what the answer is: the table of section 5 and of what lists do wrong. */
test.each<[string, FakeDnsZones, string, string]>([
  ['in order', { '2.0.0.127.bl.test': found, '3.2.0.192.bl.test': found }, '192.0.2.3', 'listed'],
  ['in order', { '2.0.0.127.bl.test': found }, '192.0.2.4', 'not listed'],
  ['empty', {}, '192.0.2.3', 'failed'],
  [
    'everything is listed',
    { '2.0.0.127.bl.test': found, '1.0.0.127.bl.test': found, '3.2.0.192.bl.test': found },
    '192.0.2.3',
    'failed',
  ],
  [
    'the domain has expired',
    { '2.0.0.127.bl.test': { A: ['203.0.113.80'] }, '1.0.0.127.bl.test': { A: ['203.0.113.80'] } },
    '192.0.2.3',
    'failed',
  ],
  [
    'the operator refuses',
    { '2.0.0.127.bl.test': { A: ['127.255.255.254'] }, '1.0.0.127.bl.test': { A: ['127.255.255.254'] } },
    '192.0.2.3',
    'failed',
  ],
  ['no IPv6 in it', { '2.0.0.127.bl.test': found }, '2001:db8::1', 'not listed'],
  [
    'all of IPv6 is listed',
    { '2.0.0.127.bl.test': found, [`2.${SIX}`]: found, [`1.${SIX}`]: found },
    '2001:db8::1',
    'failed',
  ],
  [
    'all of IPv6 is listed',
    { '2.0.0.127.bl.test': found, [`2.${SIX}`]: found, [`1.${SIX}`]: found },
    '192.0.2.4',
    'not listed',
  ],
])('%s', async (_, zones, subject, state) => {
  const { list } = watched(zones);
  await list.test();
  expect(await stateOf(list, subject)).toBe(state);
});

test.each<[string, FakeDnsZones, string]>([
  ['in order', { 'test.bl.test': found }, 'not listed'],
  ['that holds addresses, too, and has their entry', { '2.0.0.127.bl.test': found }, 'not listed'],
  ['that takes no addresses, and says so', { '2.0.0.127.bl.test': { A: ['127.0.1.255'] } }, 'failed'],
  ['empty', {}, 'failed'],
  ['everything is listed', { 'test.bl.test': found, 'invalid.bl.test': found }, 'failed'],
])('a list of names: %s', async (_, zones, state) => {
  const { list, dns } = watched(zones, {}, 'domains');
  await list.test();
  expect([...dns.questions].sort()).toEqual(['A 2.0.0.127.bl.test', 'A invalid.bl.test', 'A test.bl.test']);
  expect(await stateOf(list, 'example.org')).toBe(state);
});

test('a list of names that is not in order is not used for addresses either', async () => {
  const { list } = watched({ '3.2.0.192.bl.test': found }, {}, 'domains');
  await list.test();
  expect(await stateOf(list, '192.0.2.3')).toBe('failed');
});

test('a clock that is set back does not put the next test off', async () => {
  const { list, dns, clock } = watched({ '2.0.0.127.bl.test': found });
  await list.test();
  clock.set(clock.now() - 86_400_000);
  await list.test();
  expect(dns.questions.filter((question) => question === 'A 2.0.0.127.bl.test')).toHaveLength(2);
});

test('IPv6 entries of the test are asked for nibble by nibble', async () => {
  const { list, dns } = watched({});
  await list.test();
  expect([...dns.questions].sort()).toEqual(
    [`A 1.${SIX}`, `A 2.${SIX}`, 'A 1.0.0.127.bl.test', 'A 2.0.0.127.bl.test'].sort(),
  );
});

test('a list of IPv6 addresses alone has to have the IPv6 entry, and is not asked about IPv4', async () => {
  const { list, dns } = watched({ [`2.${SIX}`]: found }, { families: [6] });
  await list.test();
  expect(dns.questions).toHaveLength(2);
  expect(await stateOf(list, '2001:db8::1')).toBe('not listed');
  expect(await stateOf(list, '192.0.2.3')).toBe('not listed');
  expect(dns.questions).toHaveLength(3);
  const empty = watched({}, { families: [6] });
  await empty.list.test();
  expect(await stateOf(empty.list, '2001:db8::1')).toBe('failed');
});

describe('a list that fails its test', () => {
  test('is off, is told of loudly, is not asked, and is back when it is in order', async () => {
    const { list, dns, clock, log } = watched({ '3.2.0.192.bl.test': found });
    await list.test();
    expect(log).toEqual([
      '1: list bl.test for IPv4 is not used until it passes its test: it does not list 127.0.0.2, as every list has to (RFC 5782 section 5; `test=no` in its line leaves the test out)',
    ]);
    const asked = dns.questions.length;
    expect(await list.ask('192.0.2.3')).toMatchObject({ state: 'failed', isOff: true });
    expect(dns.questions).toHaveLength(asked);
    dns.set('2.0.0.127.bl.test', found);
    clock.advance(HOUR);
    await list.test();
    expect(log.at(-1)).toBe('5: list bl.test for IPv4 is in use again: it has passed its test');
    expect(await stateOf(list, '192.0.2.3')).toBe('listed');
  });

  test('has no victim while the test is under way: a listing waits for it', async () => {
    const { list, dns, clock } = watched({
      '2.0.0.127.bl.test': found,
      '3.2.0.192.bl.test': found,
    });
    expect(await stateOf(list, '192.0.2.3')).toBe('listed');
    // The domain expires, and answers everything.
    dns.set('1.0.0.127.bl.test', { A: ['127.0.0.2'], delayMs: 20 });
    clock.advance(HOUR);
    const answer = list.ask('192.0.2.3');
    await dns.whenAsked('A 1.0.0.127.bl.test', 2);
    await dns.advance(20);
    expect(await answer).toMatchObject({ state: 'failed', isOff: true });
  });

  test('nobody waits for a test who does not want the answer any more', async () => {
    const { list } = watched({ '2.0.0.127.bl.test': 'timeout', '3.2.0.192.bl.test': found });
    const controller = new AbortController();
    const answer = list.ask('192.0.2.3', { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect(await answer).toEqual({ state: 'failed', reason: 'aborted' });
  });
});

describe('a test that cannot be made', () => {
  test('is no reason to switch a list off, or on, and is made again soon', async () => {
    const { list, dns, clock, log } = watched({
      '2.0.0.127.bl.test': 'SERVFAIL',
      '1.0.0.127.bl.test': 'SERVFAIL',
      '3.2.0.192.bl.test': found,
    });
    await list.test();
    expect(await stateOf(list, '192.0.2.3')).toBe('listed');
    dns.set('2.0.0.127.bl.test', undefined);
    dns.set('1.0.0.127.bl.test', undefined);
    clock.advance(300_000);
    await list.test();
    expect(await stateOf(list, '192.0.2.3')).toBe('failed');
    dns.set('2.0.0.127.bl.test', 'SERVFAIL');
    clock.advance(HOUR);
    await list.test();
    expect(await stateOf(list, '192.0.2.3')).toBe('failed');
    expect(log.filter((line) => line.startsWith('1:'))).toHaveLength(1);
  });

  test('waits three seconds at most', async () => {
    const { list, dns } = watched({ '2.0.0.127.bl.test': 'timeout', '1.0.0.127.bl.test': 'timeout' });
    const tested = list.test();
    await dns.advance(3_000);
    expect(await tested).toEqual([]);
  });
});

test('what is kept is not told of a list that is being tested, and not at all of one that is not in order', async () => {
  const listedNow = { ...found, isKept: true };
  const { list, dns } = watched({
    '1.0.0.127.bl.test': { ...found, delayMs: 10 },
    '2.0.0.127.bl.test': found,
    '3.2.0.192.bl.test': listedNow,
    '4.2.0.192.bl.test': { isKept: true },
  });
  expect(list.askNow('192.0.2.3')).toBeUndefined();
  expect(list.askNow('192.0.2.4')).toEqual({ state: 'not listed' });
  await dns.advance(10);
  await list.test();
  expect(list.askNow('192.0.2.3')).toMatchObject({ state: 'failed', isOff: true });
});

test('a test is made once an hour, however many clients there are', async () => {
  const { list, dns, clock } = watched({ '2.0.0.127.bl.test': found });
  await Promise.all(Array.from({ length: 20 }, () => list.ask('192.0.2.3')));
  await list.test();
  clock.advance(HOUR - 1);
  await list.ask('192.0.2.3');
  const tests = (): number => dns.questions.filter((question) => question === 'A 2.0.0.127.bl.test').length;
  expect(tests()).toBe(1);
  clock.advance(1);
  await list.ask('192.0.2.3');
  expect(tests()).toBe(2);
});

test('a list without a test is used as it is', async () => {
  const watch = { isUntested: true } as RemoteListOptions['watch'] & object;
  const { list, dns } = watched({ '3.2.0.192.bl.test': found }, { watch });
  expect(await stateOf(list, '192.0.2.3')).toBe('listed');
  expect(dns.questions).toEqual(['A 3.2.0.192.bl.test']);
});

describe('a key', () => {
  test('stands in front of the zone in every question, and in no text', async () => {
    const key = 'SecretKey123';
    const zone = `${key}.bl.test`.toLowerCase();
    const { list, dns, log } = watched(
      {
        [`2.0.0.127.${zone}`]: found,
        [`3.2.0.192.${zone}`]: { A: ['127.0.0.2'], TXT: [`see http://bl.test/?q=3.2.0.192.${zone}`] },
        [`4.2.0.192.${zone}`]: 'REFUSED',
      },
      { key },
    );
    await list.test();
    const answer = await list.ask('192.0.2.3');
    if (answer.state !== 'listed') throw new Error('unreachable');
    expect(await answer.text()).toBe('see http://bl.test/?q=3.2.0.192.[key].bl.test');
    await list.ask('192.0.2.4');
    expect(dns.questions.every((question) => question.toLowerCase().endsWith(zone))).toBe(true);
    expect(list.name).toBe('bl.test');
    expect(log.join('\n').toLowerCase()).not.toContain(key.toLowerCase());
    expect(log).toEqual([expect.stringMatching(/^warn: list bl\.test has no answer: REFUSED \(/)]);
  });

  test('stands in no reason that the resolver gives', async () => {
    const dns = {
      resolve4: (name: string) =>
        Promise.resolve({
          status: 'failed' as const,
          reason: `SERVFAIL for ${name}`,
          isSecure: false,
          canonicalName: name,
        }),
      txt: () => Promise.reject(new Error('not asked')),
    };
    const list = new RemoteList('bl.test', { dns, key: 'a-b_c.d' });
    expect(await list.ask('192.0.2.3')).toEqual({
      state: 'failed',
      reason: 'SERVFAIL for 3.2.0.192.[key].bl.test',
    });
  });
});

test('a list that does not answer is told of at once, then at most every five minutes', async () => {
  const { list, dns, clock, log } = watched({ '2.0.0.127.bl.test': found });
  for (const last of [3, 4, 5]) dns.set(`${last}.2.0.192.bl.test`, 'SERVFAIL');
  for (const last of [3, 4, 5]) await list.ask(`192.0.2.${last}`);
  expect(log).toHaveLength(1);
  clock.advance(300_000);
  await list.ask('192.0.2.3');
  expect(log[1]).toBe(
    'warn: list bl.test has no answer: SERVFAIL, 3 times since this was said last (nobody is refused for it)',
  );
});

test('an entry with a text alone counts only where that is wanted', async () => {
  const zones = { '2.0.0.127.bl.test': found, '3.2.0.192.bl.test': { TXT: ['why'] } };
  expect(await stateOf(watched(zones).list, '192.0.2.3')).toBe('not listed');
  const answer = await watched(zones, { takesTextAlone: true }).list.ask('192.0.2.3');
  expect(answer).toMatchObject({ state: 'listed', codes: [] });
  if (answer.state === 'listed') expect(await answer.text()).toBe('why');
});
