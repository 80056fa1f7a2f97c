import { expect, test } from 'vitest';
import { describePlugin } from '../../host/hooks/plugin-description.ts';
import discard from '../../plugins/queue/discard.ts';
import maildir from '../../plugins/queue/maildir.ts';
import type { MailObject, Transaction } from '../../bindings/plugin/index.ts';
import { address, fakeMaildirs, freshTransaction, given, words, type Given } from './plugin-context.ts';

/** A transaction with a message to one recipient, or to those named. */
function addressed(
  fields: Record<string, string> = {},
  to: readonly string[] = ['<u@x.example>'],
): Transaction {
  const recipients = to.map((path) => ({ address: address(path), parameters: new Map() }));
  return { ...freshTransaction(fields), recipients };
}

/** queue/maildir, asked about such a message. */
function givenMaildir(facts: Given, transaction = addressed()) {
  const asked = given(maildir, facts);
  asked.session.transaction = transaction;
  return asked;
}

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
  const { ask } = givenMaildir({ words: line, services: { maildirs } });
  expect(maildirs.prepared).toEqual(prepared);
  await ask('queue');
  const [directory, subdirectory, mode] = delivered;
  expect(maildirs.delivered).toEqual([
    { directory, subdirectory, mode, isLowerCase: false, separator: undefined, isNamedAsBefore: false },
  ]);
});

test.each([
  ['', 'directory: is missing'],
  ['/m box', 'subdirectory: must name the recipient'],
  ['/m %l 999', 'permissions: must be three octal digits'],
  ['/m %l 448', 'permissions: must be three octal digits'],
  // 0777 in decimal: read as octal the owner could not write.
  ['/m %l 511', 'permissions: must be three octal digits that leave the owner all rights, such as 700'],
  ['/m %l 01777', 'permissions: must be three octal digits'],
  ['/m;rm', 'directory: may hold'],
  ['/m %l 700 extra', 'unknown option `extra`'],
  ['/m %l case upper', 'case: '],
  ['/m %l paths odd', 'paths: '],
  ['/m %l separator ++', 'separator: must be one of'],
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
  [{}, 'Queued! c1.1'],
  [{ 'Message-Id': '<a\r\n250 b\u00e9>' }, 'Queued! <a250 b>'],
  [{ 'Message-Id': 'x'.repeat(100_000) }, `Queued! ${'x'.repeat(480)}`],
])('queue/maildir answers with the Message-Id as far as a reply may hold it', async (fields, line) => {
  const services = { maildirs: fakeMaildirs() };
  const { ask } = givenMaildir({ words: '/m', services }, addressed(fields as Record<string, string>));
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
  const { ask, log } = givenMaildir({ words: '/m', services: { maildirs: fakeMaildirs(failure) } });
  expect(words(await ask('queue'))).toBe(answer);
  expect(log[0]).toBe(`queue/maildir: c1.1: /m: ${String(failure)}`);
  expect(log[1]).toMatch(/^\[c1\] \(queue\) queue\/maildir: deferred 1 of 1 recipients: 45[12] /);
});

test('queue/maildir takes case and separator by name', async () => {
  const maildirs = fakeMaildirs();
  const line = '/m %l case lower separator +';
  await givenMaildir({ words: line, services: { maildirs } }).ask('queue');
  expect(maildirs.delivered).toMatchObject([{ subdirectory: '%l', isLowerCase: true, separator: '+' }]);
});

test('queue/maildir refuses an address that can be no path before there is data, and says why in the log', async () => {
  const services = { maildirs: fakeMaildirs() };
  const to = ['<u@x.example>', '<../../etc@x.example>'];
  const { ask, log } = givenMaildir({ words: '/m %l', services }, addressed({}, to));
  expect(words(await ask('data'))).toBe('DENY Bad destination mailbox address syntax. (#1.3)');
  expect(log).toEqual(['[c1] (data) queue/maildir: no Maildir for ../../etc']);
  expect(words(await givenMaildir({ words: '/m %l', services }).ask('data'))).toBe('DECLINED');
});

test('queue/maildir: should a plugin add such an address later, nobody gets the message', async () => {
  const maildirs = fakeMaildirs();
  const { ask } = givenMaildir({ words: '/m %l', services: { maildirs } }, addressed({}, ['<u@x>', '<.@x>']));
  expect(words(await ask('queue'))).toBe('DENY Bad destination mailbox address syntax. (#1.3)');
  expect(maildirs.delivered).toEqual([]);
});

test('queue/maildir as an outlet refuses such an address alone where recipients are kept track of', async () => {
  const maildirs = fakeMaildirs();
  const { plugin } = given(maildir, { words: '/m %l', services: { maildirs } });
  const outlet = maildir.outlet!(plugin as never);
  const { recipients, message } = addressed({}, ['<u@x>', '<.@x>']);
  const mail = { recipients, message, id: 's1', isTrackedByRecipient: true } as unknown as MailObject;
  expect((await outlet.deliver(mail)).map(({ kind, reply }) => [kind, reply.code])).toEqual([
    ['delivered', 250],
    ['refused', 553],
  ]);
  expect(maildirs.delivered).toHaveLength(1);
});

test('queue/maildir does not take a message that goes to nobody', async () => {
  const maildirs = fakeMaildirs();
  const { ask } = givenMaildir({ words: '/m', services: { maildirs } }, addressed({}, []));
  expect(words(await ask('queue'))).toBe('DENYSOFT no recipients to deliver the message to (#3.0)');
  expect(maildirs.delivered).toEqual([]);
});

test.each(['', '0700', '750'])(
  'queue/maildir shows permissions `%s` as they are written, in octal',
  (mode) => {
    const words = mode === '' ? '/m' : `/m %l ${mode}`;
    const { plugin } = given(maildir, { words, services: { maildirs: fakeMaildirs() } });
    expect(describePlugin(plugin).options['permissions']).toBe(mode === '750' ? '750' : '700');
  },
);
