/** Plugins that watch the connection rather than the mail: connection_time, loadcheck, noop_counter, random_error. */

import { fakeHost } from './fake-system.ts';
import { expect, test } from 'vitest';
import connectionTime from '../../plugins/connection_time.ts';
import loadcheck from '../../plugins/loadcheck.ts';
import noopCounter from '../../plugins/noop_counter.ts';
import randomError, { randomFail } from '../../plugins/random_error.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';

test.each([
  ['', '[c1] (post-connection) connection_time: 1.234 s.'],
  ['LOGDEBUG', undefined],
  ['loglevel -1', '[c1] (post-connection) connection_time: 1.234 s.'],
  ['loglevel +1', undefined],
])('connection_time %s writes the time from the first hook to the last', async (line, written) => {
  let now = 1_000_000;
  const { ask, log } = given(connectionTime, { words: line, services: { clock: { now: () => now } } });
  await ask('pre-connection');
  now += 1_000;
  await ask('connect');
  now += 234;
  await ask('post-connection');
  expect(log).toEqual(written === undefined ? [] : [written]);
});

test('connection_time counts from connect where there is no pre-connection', async () => {
  let now = 0;
  const { ask, log } = given(connectionTime, { services: { clock: { now: () => now } } });
  await ask('connect');
  now = 50;
  await ask('post-connection');
  expect(log).toEqual(['[c1] (post-connection) connection_time: 0.050 s.']);
});

test('loadcheck puts clients off above the limit, and asks for the load no more often than it may', async () => {
  let now = 1_000_000;
  let asked = 0;
  let load = 7;
  const services = { clock: { now: () => now }, system: fakeHost({ loadAverage: () => (asked++, load) }) };
  const { ask } = given(loadcheck, { services });
  expect(words(await ask('connect'))).toBe('DECLINED');
  load = 7.01;
  now += 10_000;
  expect(words(await ask('connect'))).toBe('DECLINED');
  now += 1;
  expect(words(await ask('connect'))).toBe('DENYSOFT Server load too high, please try again later.');
  expect(asked).toBe(2);
});

test('loadcheck takes the words of old lines', async () => {
  const services = { system: fakeHost({ loadAverage: () => 3 }) };
  const { ask, log } = given(loadcheck, {
    words: 'max_load 2.5 cache_time 0 uptime /usr/bin/uptime',
    services,
  });
  expect(words(await ask('connect'))).toContain('DENYSOFT');
  expect(log[0]).toContain('/usr/bin/uptime is not run');
});

test('noop_counter closes the connection at the Nth NOOP in a row; any other command starts anew', async () => {
  const { ask } = given(noopCounter, { words: '2' });
  const noop = async () => words(await ask('noop'));
  const others = [
    () => ask('helo', 'x', []),
    () => ask('ehlo', 'x', []),
    () => ask('mail', address('<a@b>'), NO_PARAMETERS),
    () => ask('rcpt', address('<a@b>'), NO_PARAMETERS),
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
  const one = given(noopCounter);
  const other = given(noopCounter);
  for (let count = 0; count < 2; count++) {
    expect(words(await one.ask('noop'))).toBe('DECLINED');
    expect(words(await other.ask('noop'))).toBe('DECLINED');
  }
  expect(words(await one.ask('noop'))).toContain('DENY_DISCONNECT');
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
  const left = [...chances];
  const { ask, session } = given(randomError, { words: line, services: { random: () => left.shift()! } });
  expect(words(await ask('connect'))).toBe(answer);
  expect(session.connection.notes.get(randomFail)).toBe(line === '' ? 1 : Number(line));
});

test('random_error goes by what another plugin wrote down', async () => {
  const { ask, session } = given(randomError, { words: '100', services: { random: () => 0.5 } });
  session.connection.notes.set(randomFail, -1);
  for (const hook of ['data', 'data_post'] as const) expect(words(await ask(hook))).toBe('DECLINED');
  session.connection.notes.set(randomFail, 100);
  for (const hook of ['data', 'data_post'] as const) expect(words(await ask(hook))).toContain('DENYSOFT');
});
