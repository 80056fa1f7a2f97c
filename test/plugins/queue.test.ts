import { expect, test } from 'vitest';
import discard from '../../plugins/queue/discard.ts';
import maildir from '../../plugins/queue/maildir.ts';
import { fakeMaildirs, freshTransaction, given, words } from './plugin-context.ts';

test('queue/discard says at start and to the client that mail is thrown away', async () => {
  const { ask, log } = given(discard);
  expect(log).toHaveLength(1);
  expect(log[0]).toContain('EVERY MESSAGE IS ACCEPTED AND THROWN AWAY');
  expect(words(await ask('queue'))).toBe('OK Message accepted and discarded');
});

const fault = (message: string, facts: object): Error => Object.assign(new Error(message), facts);

test.each([
  ['/var/mail/in', [['/var/mail/in', 0o700]], ['/var/mail/in', undefined, 0o700]],
  ['/m %d/%l', [], ['/m', '%d/%l', 0o700]],
  ['/m %u 750', [], ['/m', '%u', 0o750]],
  ['/m permissions 0750', [['/m', 0o750]], ['/m', undefined, 0o750]],
  ['directory /m subdirectory %l', [], ['/m', '%l', 0o700]],
] as const)('queue/maildir %s prepares and delivers as its line says', async (line, prepared, delivered) => {
  const maildirs = fakeMaildirs();
  const { ask } = given(maildir, { words: line, services: { maildirs } });
  expect(maildirs.prepared).toEqual(prepared);
  await ask('queue');
  const [directory, subdirectory, mode] = delivered;
  expect(maildirs.delivered).toEqual([{ directory, subdirectory, mode }]);
});

test.each([
  ['', 'directory: is missing'],
  ['/m box', 'subdirectory: must name the recipient'],
  ['/m %l 999', 'permissions: must be three octal digits'],
  ['/m %l 01777', 'permissions: must be three octal digits'],
  ['/m;rm', 'directory: may hold'],
  ['/m %l 700 extra', 'unknown option `extra`'],
])('queue/maildir %s is refused at start: %s', (line, problem) => {
  expect(() => given(maildir, { words: line, services: { maildirs: fakeMaildirs() } })).toThrow(problem);
});

test('queue/maildir is refused at start if the Maildir cannot be made', () => {
  const maildirs = {
    ...fakeMaildirs(),
    prepare: () => {
      throw new Error('/m/new: permission denied');
    },
  };
  expect(() => given(maildir, { words: '/m', services: { maildirs } })).toThrow(
    'plugins:1: queue/maildir: could not be set up: /m/new: permission denied',
  );
});

test.each([
  [{ 'Message-Id': '<1@x.example>' }, 'Queued! <1@x.example>'],
  [{}, 'Queued! '],
  [{ 'Message-Id': '<a\r\n250 b\u00e9>' }, 'Queued! <a250 b>'],
  [{ 'Message-Id': 'x'.repeat(100_000) }, `Queued! ${'x'.repeat(480)}`],
])('queue/maildir answers with the Message-Id as far as a reply may hold it', async (fields, line) => {
  const { ask, session } = given(maildir, { words: '/m', services: { maildirs: fakeMaildirs() } });
  session.transaction = freshTransaction(fields as Record<string, string>);
  expect((await ask('queue')).lines).toEqual([line]);
});

test.each([
  [fault('full', { code: 'Q_DISK_FULL' }), 'DENYSOFT Mail system full. (#3.1)'],
  [
    new Error('can not deliver', { cause: fault('full', { code: 'Q_DISK_FULL' }) }),
    'DENYSOFT Mail system full. (#3.1)',
  ],
  [fault('EACCES', { syscall: 'open' }), 'DECLINED queue error (open)'],
  [fault('EIO', { syscall: 'fsync' }), 'DECLINED queue error (close)'],
  [new Error('x', { cause: fault('EMLINK', { syscall: 'link' }) }), 'DECLINED queue error (link)'],
  [new Error('unknown'), 'DECLINED queue error (open)'],
])('queue/maildir: %s is answered with %s, and is in the log', async (failure, answer) => {
  const { ask, log } = given(maildir, { words: '/m', services: { maildirs: fakeMaildirs(failure) } });
  expect(words(await ask('queue'))).toBe(answer);
  expect(log).toEqual([`[c1] (queue) queue/maildir: /m: ${String(failure)}`]);
});
