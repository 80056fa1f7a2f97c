import { expect, test } from 'vitest';
import { naughty } from '../../bindings/plugin/index.ts';
import badmailfrom from '../../plugins/badmailfrom.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';
import { cpuMs } from '../patience.ts';

const files = {
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
  const { ask } = given(badmailfrom, { files });
  expect(words(await ask('mail', address(path), NO_PARAMETERS))).toBe(answer);
});

test('badmailfrom says in the log what it saw, and lowers the karma of a hit only', async () => {
  const { ask, log, session } = given(badmailfrom, { files });
  await ask('mail', address('<>'), NO_PARAMETERS);
  await ask('mail', address('<jane@ok.example>'), NO_PARAMETERS);
  expect(session.connection.karma).toBe(0);
  await ask('mail', address('<joe@spam.example>'), NO_PARAMETERS);
  expect(session.connection.karma).toBe(-1);
  expect(log).toEqual([
    '[c1] (mail) badmailfrom: skip, null sender',
    '[c1] (mail) badmailfrom: pass',
    '[c1] (mail) badmailfrom: karma -1 (-1)',
    `[c1] (mail) badmailfrom: fail, ${STANDARD}`,
  ]);
});

test('badmailfrom skips relay clients', async () => {
  const { ask, session, log } = given(badmailfrom, { files });
  session.connection.relayClient = true;
  expect(words(await ask('mail', address('<joe@spam.example>'), NO_PARAMETERS))).toBe('DECLINED');
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
  const { ask, session } = given(badmailfrom, { files, words: line });
  expect(words(await ask('mail', address('<joe@spam.example>'), NO_PARAMETERS))).toBe(answer);
  const reasons = session.connection.notes.get(naughty);
  expect(reasons).toEqual(line === 'reject naughty' ? [`(badmailfrom) ${STANDARD}`] : undefined);
});

test.each([
  ['(?=x)@spam', /look-ahead/],
  ['(a)\\1@spam', /back-references/],
  ['a++@spam', /possessive/],
  ['*@spam', /quantifier/],
])('a pattern that would need backtracking is refused at set-up: %s', (entry, hint) => {
  expect(() => given(badmailfrom, { files: { badmailfrom: [entry] } })).toThrow(hint);
  expect(() => given(badmailfrom, { files: { badmailfrom: [entry] } })).toThrow(entry);
});

test('an entry without @ is left out with a warning', async () => {
  const { ask, log } = given(badmailfrom, { files: { badmailfrom: ['spam.example'] } });
  expect(log[0]).toContain('entry `spam.example` matches nothing');
  expect(words(await ask('mail', address('<a@spam.example>'), NO_PARAMETERS))).toBe('DECLINED');
});

test('no address can make a pattern backtrack', async () => {
  const { ask } = given(badmailfrom, { files: { badmailfrom: ['^(a+)+@(a|aa)+$'] } });
  const started = cpuMs();
  const hostile = address(`<${'a'.repeat(2_000)}@${'a'.repeat(2_000)}b>`);
  expect(words(await ask('mail', hostile, NO_PARAMETERS))).toBe('DECLINED');
  expect(cpuMs() - started).toBeLessThan(2_000);
});
