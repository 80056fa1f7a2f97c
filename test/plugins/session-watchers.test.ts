/** Plugins that watch the connection rather than the mail: connection_time, loadcheck, noop_counter, random_error. */

import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import connectionTime from '../../plugins/connection_time.ts';
import loadcheck from '../../plugins/loadcheck.ts';
import noopCounter from '../../plugins/noop_counter.ts';
import randomError, { randomFail } from '../../plugins/random_error.ts';

test.each([
  ['', '[c1] (post-connection) connection_time: 1.234 s.'],
  ['LOGDEBUG', undefined],
  ['loglevel -1', '[c1] (post-connection) connection_time: 1.234 s.'],
  ['loglevel +1', undefined],
])('connection_time %s writes the time from the first hook to the last', async (line, written) => {
  const { ask, log, clock } = testPlugin(connectionTime, { options: line });
  await ask('pre-connection');
  clock.advance(1_000);
  await ask('connect');
  clock.advance(234);
  await ask('post-connection');
  expect(log).toEqual(written === undefined ? [] : [written]);
});

test('connection_time counts from connect where there is no pre-connection', async () => {
  const { ask, log, clock } = testPlugin(connectionTime);
  await ask('connect');
  clock.advance(50);
  await ask('post-connection');
  expect(log).toEqual(['[c1] (post-connection) connection_time: 0.050 s.']);
});

test('loadcheck puts clients off above the limit, and asks for the load no more often than it may', async () => {
  let asked = 0;
  let load = 7;
  const { ask, clock } = testPlugin(loadcheck, { system: { loadAverage: () => (asked++, load) } });
  expect(printVerdict(await ask('connect'))).toBe('DECLINED');
  load = 7.01;
  clock.advance(10_000);
  expect(printVerdict(await ask('connect'))).toBe('DECLINED');
  clock.advance(1);
  expect(printVerdict(await ask('connect'))).toBe('DENYSOFT Server load too high, please try again later.');
  expect(asked).toBe(2);
});

test('loadcheck takes the options of old lines', async () => {
  const { ask, log } = testPlugin(loadcheck, {
    options: 'max_load 2.5 cache_time 0 uptime /usr/bin/uptime',
    system: { loadAverage: 3 },
  });
  expect(printVerdict(await ask('connect'))).toContain('DENYSOFT');
  expect(log[0]).toContain('/usr/bin/uptime is not run');
});

test('noop_counter closes the connection at the Nth NOOP in a row; any other command starts anew', async () => {
  const { ask } = testPlugin(noopCounter, { options: '2' });
  const noop = async () => printVerdict(await ask('noop'));
  const others = [
    () => ask('helo', 'x'),
    () => ask('ehlo', 'x'),
    () => ask('mail', '<a@b>'),
    () => ask('rcpt', '<a@b>'),
    () => ask('data'),
    () => ask('reset_transaction'),
    () => ask('vrfy'),
    () => ask('help', ''),
  ];
  for (const other of others) {
    expect(await noop()).toBe('DECLINED');
    await other();
  }
  expect(await noop()).toBe('DECLINED');
  expect(await noop()).toBe('DENY_DISCONNECT Stop wasting my time, too many consecutive NOOPs');
});

test('noop_counter counts each connection by itself', async () => {
  const one = testPlugin(noopCounter);
  const other = testPlugin(noopCounter);
  for (let count = 0; count < 2; count++) {
    expect(printVerdict(await one.ask('noop'))).toBe('DECLINED');
    expect(printVerdict(await other.ask('noop'))).toBe('DECLINED');
  }
  expect(printVerdict(await one.ask('noop'))).toContain('DENY_DISCONNECT');
});

test.each([
  ['50', [0.89], 'DECLINED'],
  ['50', [0.9, 0.3], 'DENYSOFT_DISCONNECT random failure'],
  ['50', [0.9, 0.5], 'DENYSOFT random failure'],
  ['100', [0, 0.5], 'DENYSOFT random failure'],
  ['-1', [0.999999], 'DECLINED'],
  ['0', [0.999999], 'DECLINED'],
  ['', [0.998], 'DECLINED'],
  ['', [0.999, 0.9], 'DENYSOFT random failure'],
])('random_error %s with chances %j: %s', async (line, chances, answer) => {
  const { ask, session } = testPlugin(randomError, { options: line, random: chances });
  expect(printVerdict(await ask('connect'))).toBe(answer);
  expect(session.connection.notes.get(randomFail)).toBe(line === '' ? 1 : Number(line));
});

test('random_error goes by what another plugin wrote down', async () => {
  const { ask, session } = testPlugin(randomError, { options: '100', random: () => 0.5 });
  session.connection.notes.set(randomFail, -1);
  for (const hook of ['data', 'data_post'] as const) expect(printVerdict(await ask(hook))).toBe('DECLINED');
  session.connection.notes.set(randomFail, 100);
  for (const hook of ['data', 'data_post'] as const)
    expect(printVerdict(await ask(hook))).toContain('DENYSOFT');
});
