import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import {
  address,
  MemoryFiles,
  printVerdict,
  TestClock,
  testPlugin,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import discard from '../../plugins/queue/discard.ts';
import maildir from '../../plugins/queue/maildir/index.ts';
import { Address, type Files, type MailObject } from '../../bindings/plugin/index.ts';
import type { StagedFile } from '../../bindings/plugin/files.ts';

type Step = 'stage' | 'sync' | 'rename';

/** A disk that keeps a record of what is done to it, and fails at one step of a delivery. */
function fakeDisk(step?: Step, failure?: Error) {
  const prepared: [string, number][] = [];
  /** Where messages are in the end, without their names, and with which mode. */
  const delivered: [string, number][] = [];
  const at = (name: Step): Promise<void> => (name === step ? Promise.reject(failure!) : Promise.resolve());
  const files: Files = Object.assign(new MemoryFiles(), {
    syncDirectory: () => Promise.resolve(),
    prepareDirectory: (path: string, mode: number) => void prepared.push([path, mode]),
    async stage(_: string, { mode }: { mode: number }): Promise<StagedFile> {
      await at('stage');
      return {
        write: () => Promise.resolve(),
        sync: () => at('sync'),
        close: () => Promise.resolve(),
        rename: (path) => at('rename').then(() => void delivered.push([dirname(path), mode])),
        link: () => Promise.resolve(true),
        discard: () => Promise.resolve(),
      };
    },
  });
  return { prepared, delivered, files };
}

interface Letter {
  readonly fields?: Readonly<Record<string, string>>;
  readonly to?: readonly string[];
}

/** queue/maildir, asked about a message to one recipient, or to those named. */
function givenMaildir(options: TestPluginOptions, { fields = {}, to = ['<u@x.example>'] }: Letter = {}) {
  const tested = testPlugin(maildir, { clock: new TestClock(0), ...options });
  const { transaction } = tested.session;
  transaction.reversePath = Address.null;
  for (const path of to) transaction.addRecipient(address(path));
  const header = { get: (name: string) => fields[name] };
  Object.assign(transaction, { content: { header, blocks: () => [] } });
  return tested;
}

test('queue/discard says at start and to the client that mail is thrown away', async () => {
  const { ask, log } = testPlugin(discard);
  expect(log).toHaveLength(1);
  expect(log[0]).toContain('EVERY MESSAGE IS ACCEPTED AND THROWN AWAY');
  expect(printVerdict(await ask('queue'))).toBe('OK Message accepted and discarded');
});

const fault = (message: string, facts: object): Error => Object.assign(new Error(message), facts);

const parts = (maildir: string, mode: number): [string, number][] =>
  ['new', 'cur', 'tmp'].map((name) => [`${maildir}/${name}`, mode]);

test.each([
  ['/var/mail/in', parts('/var/mail/in', 0o700), '/var/mail/in', 0o600],
  ['/m %d/%l', [], '/m/x.example/u', 0o600],
  ['/m %u 750', [], '/m/u@x.example', 0o640],
  ['/m permissions 0750', parts('/m', 0o750), '/m', 0o640],
  ['directory /m subdirectory %l', [], '/m/u', 0o600],
] as const)('queue/maildir %s prepares and delivers as its line says', async (line, prepared, box, mode) => {
  const disk = fakeDisk();
  const { ask } = givenMaildir({ options: line, services: { files: disk.files } });
  expect(disk.prepared).toEqual(prepared);
  await ask('queue');
  expect(disk.delivered).toEqual([[`${box}/new`, mode]]);
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
  expect(() => testPlugin(maildir, { options: line })).toThrow(problem);
});

test('queue/maildir is refused at start if the Maildir cannot be made', () => {
  const files = Object.assign(new MemoryFiles(), {
    prepareDirectory: () => {
      throw new Error('permission denied');
    },
  });
  expect(() => testPlugin(maildir, { options: '/m', services: { files } })).toThrow(
    "plugins:1: queue/maildir: could not be set up: Maildir /m/new can't be used: permission denied " +
      '(make it a directory that user 1000 may write to, or name another Maildir)',
  );
});

test.each([
  [{ 'Message-Id': '<1@x.example>' }, 'Queued! <1@x.example>'],
  [{}, 'Queued! c1.1'],
  [{ 'Message-Id': '<a\r\n250 b\u00e9>' }, 'Queued! <a250 b>'],
  [{ 'Message-Id': 'x'.repeat(100_000) }, `Queued! ${'x'.repeat(480)}`],
])('queue/maildir answers with the Message-Id as far as a reply may hold it', async (fields, line) => {
  const services = { files: fakeDisk().files };
  const { ask } = givenMaildir({ options: '/m', services }, { fields: fields as Record<string, string> });
  expect((await ask('queue')).lines).toEqual([line]);
});

test.each([
  ['stage', fault('full', { code: 'ENOSPC', syscall: 'open' }), 'DENYSOFT Mail system full. (#3.1)'],
  ['stage', fault('full', { code: 'Q_DISK_FULL' }), 'DENYSOFT Mail system full. (#3.1)'],
  ['stage', fault('EACCES', { syscall: 'open' }), 'DECLINED queue error (open)'],
  ['sync', fault('EIO', { syscall: 'fsync' }), 'DECLINED queue error (close)'],
  ['rename', fault('EMLINK', { syscall: 'rename' }), 'DECLINED queue error (link)'],
  ['stage', new Error('unknown'), 'DECLINED queue error (open)'],
] as const)(
  'queue/maildir: %s failing with %s is answered with %s, and is in the log',
  async (step, failure, answer) => {
    const { ask, log } = givenMaildir({ options: '/m', services: { files: fakeDisk(step, failure).files } });
    expect(printVerdict(await ask('queue'))).toBe(answer);
    expect(log[0]).toMatch(/^queue\/maildir: c1\.1: \/m: /);
    expect(log[0]).toContain(failure.message);
    expect(log[1]).toMatch(/^\[c1\] \(queue\) queue\/maildir: deferred 1 of 1 recipients: 45[12] /);
  },
);

test('queue/maildir names step and path of a failure in the log', async () => {
  const { files } = fakeDisk(
    'rename',
    fault('EXDEV: cross-device link', { code: 'EXDEV', syscall: 'rename' }),
  );
  const { ask, log } = givenMaildir({ options: '/m', services: { files } });
  await ask('queue');
  expect(log[0]).toMatch(
    /^queue\/maildir: c1\.1: \/m: MaildirError: queue error \(link\): \/m\/new\/0\.P4711M0Q\d+\.mx\.example: EXDEV: /,
  );
});

test('queue/maildir takes case and separator by name', async () => {
  const disk = fakeDisk();
  const facts = { options: '/m %l case lower separator +', services: { files: disk.files } };
  await givenMaildir(facts, { to: ['<U+lists@x.example>'] }).ask('queue');
  expect(disk.delivered).toEqual([['/m/u/new', 0o600]]);
});

test('queue/maildir refuses an address that can be no path before there is data, and says why in the log', async () => {
  const services = { files: fakeDisk().files };
  const to = ['<u@x.example>', '<../../etc@x.example>'];
  const { ask, log } = givenMaildir({ options: '/m %l', services }, { to });
  expect(printVerdict(await ask('data'))).toBe('DENY Bad destination mailbox address syntax. (#1.3)');
  expect(log).toEqual([
    '[c1] (data) queue/maildir: no Maildir for "../../etc@x.example": its local part begins with a dot',
  ]);
  expect(printVerdict(await givenMaildir({ options: '/m %l', services }).ask('data'))).toBe('DECLINED');
});

test('queue/maildir: should a plugin add such an address later, nobody gets the message', async () => {
  const disk = fakeDisk();
  const { ask } = givenMaildir(
    { options: '/m %l', services: { files: disk.files } },
    { to: ['<u@x>', '<.@x>'] },
  );
  expect(printVerdict(await ask('queue'))).toBe('DENY Bad destination mailbox address syntax. (#1.3)');
  expect(disk.delivered).toEqual([]);
});

test('queue/maildir as an outlet refuses such an address alone where recipients are kept track of', async () => {
  const disk = fakeDisk();
  const to = ['<u@x>', '<.@x>'];
  const { outlet, session } = givenMaildir({ options: '/m %l', services: { files: disk.files } }, { to });
  const { reversePath, recipients, message, mailOptions } = session.transaction;
  const envelope = { reversePath, recipients, mailOptions };
  const mail = { ...envelope, message, id: 's1', isTrackedByRecipient: true } as unknown as MailObject;
  expect((await outlet.deliver(mail)).map(({ kind, reply }) => [kind, reply.code])).toEqual([
    ['delivered', 250],
    ['refused', 553],
  ]);
  expect(disk.delivered).toHaveLength(1);
});

test('queue/maildir does not take a message that goes to nobody', async () => {
  const disk = fakeDisk();
  const { ask } = givenMaildir({ options: '/m', services: { files: disk.files } }, { to: [] });
  expect(printVerdict(await ask('queue'))).toBe('DENYSOFT no recipients to deliver the message to (#3.0)');
  expect(disk.delivered).toEqual([]);
});
