import { expect, test, vi } from 'vitest';
import { testPlugin, printVerdict, TestServer } from '../../host/testing/index.ts';
import { karmaHistory, whitelistHost } from '../../bindings/plugin/index.ts';
import plugin, { earlytalker, earlytalkerWait } from '../../plugins/earlytalker.ts';
import { PATIENCE } from '../patience.ts';

const TEXT = 'Connecting host started transmitting before SMTP greeting';

test.each([
  ['', `DENY ${TEXT}`],
  ['reject_type temp', `DENYSOFT ${TEXT}`],
  ['reject_type disconnect', `DENY_DISCONNECT ${TEXT}`],
  ['reject 0', 'DECLINED'],
  ['reject naughty', 'DECLINED'],
  ['action denysoft', `DENY ${TEXT}`],
  ['action log', 'DECLINED'],
  ['action log reject 1', `DENY ${TEXT}`],
  ['defer-reject 1', 'DECLINED'],
  // qpsmtpd refuses for now as soon as defer-reject stands in the line.
  ['defer-reject 0', `DENYSOFT ${TEXT}`],
  ['check-at DATA', 'DECLINED'],
  ['check-at data check-at connect', `DENY ${TEXT}`],
])('earlytalker %s: who talks before the banner is answered with %s', async (line, answer) => {
  const { ask, session } = testPlugin(plugin, { options: line });
  session.isTalking = true;
  expect(printVerdict(await ask('connect'))).toBe(answer);
  const isChecked = line !== 'check-at DATA';
  expect(session.connection.notes.get(earlytalker)).toBe(isChecked ? true : undefined);
  expect(session.connection.karma).toBe(isChecked ? -1 : 0);
});

test.each([
  ['defer-reject 1', `DENYSOFT ${TEXT}`],
  ['defer-reject 1 reject_type perm', `DENY ${TEXT}`],
  ['defer-reject 1 reject_type disconnect', `DENY_DISCONNECT ${TEXT}`],
  ['', 'DECLINED'],
])('earlytalker %s: MAIL is answered with %s', async (line, answer) => {
  const { ask, session } = testPlugin(plugin, { options: line });
  const mail = () => ask('mail', '<a@b.example>');
  expect(printVerdict(await mail())).toBe('DECLINED');
  session.connection.notes.set(earlytalker, true);
  expect(printVerdict(await mail())).toBe(answer);
});

test('earlytalker looks at DATA only if told to', async () => {
  for (const [line, answer] of [
    ['check-at DATA', `DENY ${TEXT}`],
    ['', 'DECLINED'],
  ] as const) {
    const { ask, session } = testPlugin(plugin, { options: line });
    session.isTalking = true;
    expect(printVerdict(await ask('data'))).toBe(answer);
  }
});

test('earlytalker spares welcome clients and those with a good history, and listens as long as a note says', async () => {
  const { ask, session, log } = testPlugin(plugin, { options: 'wait 2.5' });
  const { notes } = session.connection;
  notes.set(whitelistHost, true);
  await ask('connect');
  notes.delete(whitelistHost);
  notes.set(karmaHistory, 6);
  await ask('connect');
  expect(session.listened).toEqual([]);
  notes.set(karmaHistory, 5);
  await ask('connect');
  notes.set(earlytalkerWait, 4);
  await ask('connect');
  expect(session.listened).toEqual([2_500, 4_000]);
  expect(log).toEqual([
    '[c1] (connect) earlytalker: skip, whitelisted host',
    '[c1] (connect) earlytalker: skip, karma 6',
    '[c1] (connect) earlytalker: pass, not spontaneous',
    '[c1] (connect) earlytalker: pass, not spontaneous',
  ]);
});

test('earlytalker refuses options out of range at start', () => {
  expect(() => testPlugin(plugin, { options: 'wait 30' })).toThrow('wait: must be a number from 0 to 25');
  expect(() => testPlugin(plugin, { options: 'check-at MAIL' })).toThrow('check-at');
  expect(() => testPlugin(plugin, { options: 'defer-reject maybe' })).toThrow('must be 1 or 0');
});

test('earlytalker holds up one session, not the others, and lets go of a client that leaves', async () => {
  const server = await TestServer.start({ plugins: ['earlytalker wait 0.3'] });
  const startedAt = performance.now();
  const banners = await Promise.all(Array.from({ length: 200 }, () => server.connect().reply()));
  // One after the other they would take a minute.
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  expect(banners.every((banner) => banner.startsWith('220 '))).toBe(true);
  await server.close();

  const patient = await TestServer.start({ plugins: ['earlytalker wait 25'] });
  const stream = patient.connectStream();
  expect(patient.server.sessions).toBe(1);
  stream.destroy();
  await vi.waitFor(() => expect(patient.server.sessions).toBe(0), PATIENCE);
  await patient.close();
});
