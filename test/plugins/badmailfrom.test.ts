import { expect, test } from 'vitest';
import { testPlugin, printVerdict, address } from '../../host/testing/index.ts';
import { naughty } from '../../bindings/plugin/index.ts';
import badmailfrom from '../../plugins/badmailfrom.ts';
import { cpuMs } from '../patience.ts';

const config = {
  badmailfrom: [
    'Joe@Spam.example',
    'jim@spam.example   No, Jim,  not you',
    '@Bulk.example',
    '^news[0-9]*@.*\\.example$ No letters',
    '^UPPER@',
  ],
};
const STANDARD = 'Your envelope sender is in my badmailfrom list';

test.each([
  ['<joe@SPAM.example>', `DENY ${STANDARD}`],
  ['<jim@spam.example>', 'DENY No, Jim,  not you'],
  ['<anyone@bulk.EXAMPLE>', `DENY ${STANDARD}`],
  ['<anyone@sub.bulk.example>', 'DECLINED'],
  ['<News12@a.example>', 'DENY No letters'],
  ['<oldnews@a.example>', 'DECLINED'],
  // Patterns see the address in lower case, so one with capitals matches nothing.
  ['<UPPER@a.test>', 'DECLINED'],
  ['<jane@spam.example>', 'DECLINED'],
  ['<>', 'DECLINED'],
  ['<postmaster>', 'DECLINED'],
])('badmailfrom: MAIL FROM:%s is answered with %s', async (path, answer) => {
  const { ask } = testPlugin(badmailfrom, { config });
  expect(printVerdict(await ask('mail', path))).toBe(answer);
});

test('badmailfrom says in the log what it saw, and lowers the karma of a hit only', async () => {
  const { ask, log, session } = testPlugin(badmailfrom, { config });
  await ask('mail', '<>');
  await ask('mail', '<jane@ok.example>');
  expect(session.connection.karma).toBe(0);
  await ask('mail', '<joe@spam.example>');
  expect(session.connection.karma).toBe(-1);
  expect(log).toEqual([
    '[c1] (mail) badmailfrom: skip, null sender',
    '[c1] (mail) badmailfrom: pass',
    '[c1] (mail) badmailfrom: karma -1 (-1)',
    `[c1] (mail) badmailfrom: fail, ${STANDARD}`,
  ]);
});

test('badmailfrom skips relay clients', async () => {
  const { ask, session, log } = testPlugin(badmailfrom, { config });
  session.connection.relayClient = true;
  expect(printVerdict(await ask('mail', '<joe@spam.example>'))).toBe('DECLINED');
  expect(log).toEqual(['[c1] (mail) badmailfrom: skip, relay client']);
});

test.each([
  ['reject 0', 'DECLINED'],
  ['reject 1', `DENY ${STANDARD}`],
  ['reject naughty', 'DECLINED'],
  ['reject_type temp', `DENYSOFT ${STANDARD}`],
  ['reject_type soft', `DENYSOFT ${STANDARD}`],
  ['reject_type hard', `DENY ${STANDARD}`],
  ['reject 1 reject_type disconnect', `DENY_DISCONNECT ${STANDARD}`],
  ['reject_type temp_disconnect', `DENYSOFT_DISCONNECT ${STANDARD}`],
])('badmailfrom %s: a hit is answered with %s', async (line, answer) => {
  const { ask, session } = testPlugin(badmailfrom, { config, options: line });
  expect(printVerdict(await ask('mail', '<joe@spam.example>'))).toBe(answer);
  const reasons = session.connection.notes.get(naughty);
  expect(reasons).toEqual(line === 'reject naughty' ? [`(badmailfrom) ${STANDARD}`] : undefined);
});

test.each([
  ['(?=x)@spam', /look-ahead/],
  ['(a)\\1@spam', /back-references/],
  ['a++@spam', /possessive/],
  ['*@spam', /quantifier/],
])('a pattern that would need backtracking is refused at set-up: %s', (entry, hint) => {
  expect(() => testPlugin(badmailfrom, { config: { badmailfrom: [entry] } })).toThrow(hint);
  expect(() => testPlugin(badmailfrom, { config: { badmailfrom: [entry] } })).toThrow(entry);
});

test('an entry without @ is left out with a warning', async () => {
  const { ask, log } = testPlugin(badmailfrom, { config: { badmailfrom: ['spam.example'] } });
  expect(log[0]).toContain('entry `spam.example` matches nothing');
  expect(printVerdict(await ask('mail', '<a@spam.example>'))).toBe('DECLINED');
});

test('no address can make a pattern backtrack', async () => {
  const { ask } = testPlugin(badmailfrom, { config: { badmailfrom: ['^(a+)+@(a|aa)+$'] } });
  const started = cpuMs();
  const hostile = address(`<${'a'.repeat(2_000)}@${'a'.repeat(2_000)}b>`);
  expect(printVerdict(await ask('mail', hostile))).toBe('DECLINED');
  expect(cpuMs() - started).toBeLessThan(2_000);
});
