import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import { naughty as naughtyNote, naughtyRejectType } from '../../bindings/plugin/index.ts';
import naughty from '../../plugins/naughty.ts';

test.each([
  ['', 'rcpt', 'DENY_DISCONNECT'],
  ['reject mail', 'mail', 'DENY_DISCONNECT'],
  ['reject connect', 'connect', 'DENY_DISCONNECT'],
  ['reject data reject_type temp', 'data', 'DENYSOFT'],
  ['reject DATA_POST reject_type perm', 'data_post', 'DENY'],
  ['reject data reject_type temp_disconnect', 'data', 'DENYSOFT_DISCONNECT'],
] as const)('naughty %s refuses in %s with %s', async (line, hook, code) => {
  const { ask, session, hooks } = testPlugin(naughty, { options: line });
  const put = () => (hook === 'mail' || hook === 'rcpt' ? ask(hook, '<a@b.example>') : ask(hook));
  expect(printVerdict(await put())).toBe('DECLINED');
  session.connection.notes.set(naughtyNote, ['(dnsbl) listed', '(helo) forged']);
  expect(printVerdict(await put())).toBe(`${code} (dnsbl) listed (helo) forged`);
  expect(hooks).toEqual([...new Set([hook, 'data_post'])]);
});

test('naughty: the reject_type of the plugin that found the fault wins, and AUTH takes the fault away', async () => {
  const { ask, session } = testPlugin(naughty, { options: 'reject data' });
  const { notes } = session.connection;
  notes.set(naughtyNote, ['(dnsbl) listed']);
  notes.set(naughtyRejectType, 'soft');
  expect(printVerdict(await ask('data'))).toBe('DENYSOFT (dnsbl) listed');
  notes.delete(naughtyNote);
  expect(printVerdict(await ask('data'))).toBe('DECLINED');
});

test('naughty refuses at start to act in a hook that cannot refuse', () => {
  expect(() => testPlugin(naughty, { options: 'reject hook_queue_post' })).toThrow(
    'plugins:1: naughty: reject',
  );
});
