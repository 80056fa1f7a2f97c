import { expect, test, vi } from 'vitest';
import { MemoryPrograms, printVerdict, testPlugin } from '../../host/testing/index.ts';
import { type RecipientOutcome } from '../../bindings/plugin/index.ts';
import eximBsmtp from '../../plugins/queue/exim-bsmtp/index.ts';
import pipe from '../../plugins/queue/pipe/index.ts';
import postfixQueue, {
  postfixQueueFlags,
  postfixQueueSockets,
} from '../../plugins/queue/postfix-queue/index.ts';
import qmailQueue from '../../plugins/queue/qmail-queue/index.ts';
import qmqp from '../../plugins/queue/qmqp/index.ts';

const programs = Object.assign(new MemoryPrograms(), {
  isExecutable: (path: string) => !path.includes('missing'),
});

const outcome = (
  kind: RecipientOutcome['kind'],
  code: number,
  status: string | undefined,
  text: string,
): RecipientOutcome => ({ kind, hop: 'x', reply: { code, status, lines: [text] } });

/** What the plugins made, and what all of it reports. */
const hand = vi.hoisted(() => ({ made: [] as [string, unknown][], outcomes: [] as readonly unknown[] }));

const recorded = vi.hoisted(() => (kind: string) => {
  return class {
    constructor(options: unknown) {
      hand.made.push([kind, options]);
    }

    deliver = () => Promise.resolve(hand.outcomes);
  };
});
vi.mock('../../plugins/queue/qmail-queue/qmail-queue-outlet.ts', () => ({
  QmailQueueOutlet: recorded('qmailQueue'),
}));
vi.mock('../../plugins/queue/exim-bsmtp/bsmtp-outlet.ts', () => ({ BsmtpOutlet: recorded('bsmtp') }));
vi.mock('../../plugins/queue/postfix-queue/cleanup-outlet.ts', () => ({
  CleanupOutlet: recorded('cleanup'),
}));
vi.mock('../../plugins/queue/qmqp/qmqp-outlet.ts', () => ({ QmqpOutlet: recorded('qmqp') }));
vi.mock('../../plugins/queue/pipe/pipe-outlet.ts', () => ({ PipeOutlet: recorded('pipe') }));

function remade(outcomes: readonly RecipientOutcome[] = [outcome('delivered', 250, undefined, 'Queued!')]) {
  hand.made = [];
  hand.outcomes = outcomes;
  return hand;
}

test.each([
  ['', {}, '/var/qmail/bin/qmail-queue'],
  ['', { QMAIL: '/opt/qmail' }, '/opt/qmail/bin/qmail-queue'],
  ['/bin/another-queue', { QMAIL: '/opt/qmail' }, '/bin/another-queue'],
  ['/bin/another-queue', { QMAILQUEUE: '/bin/third' }, '/bin/third'],
  ['/bin/another-queue', { QMAILQUEUE: '' }, '/bin/another-queue'],
])('queue/qmail-queue %s with %j runs %s', (line, variables, program) => {
  const { made } = remade();
  testPlugin(qmailQueue, {
    options: line,
    programs,
    system: { environment: { ...variables } },
  });
  expect(made).toEqual([['qmailQueue', { program, timeoutMs: 120_000, processes: 20, waiting: 100 }]]);
});

test('limits of programs stand in the line', () => {
  const { made } = remade();
  const line = 'program_timeout 30 processes 5 waiting 0';
  testPlugin(qmailQueue, { options: line, programs });
  expect(made[0]![1]).toMatchObject({ timeoutMs: 30_000, processes: 5, waiting: 0 });
});

test.each([
  ['', '/usr/sbin/rsmtp'],
  ['exim_path /usr/sbin/exim4', '/usr/sbin/exim4'],
])('queue/exim-bsmtp %s runs %s', (line, program) => {
  const { made } = remade();
  testPlugin(eximBsmtp, { options: line, programs });
  expect(made).toEqual([['bsmtp', { program, timeoutMs: 120_000, processes: 20, waiting: 100 }]]);
});

const USUAL = { path: '/var/spool/postfix/public/cleanup' };

test.each([
  ['', [USUAL], 0],
  ['FLAG_FILTER FLAG_BCC_OK', [USUAL], 18],
  ['/run/cleanup', [{ path: '/run/cleanup' }], 0],
  ['/run/cleanup FLAG_MASK_EXTERNAL FLAG_HOLD', [{ path: '/run/cleanup' }], 118],
  ['cleanup_timeout 9 /run/cleanup FLAG_NONE', [{ path: '/run/cleanup' }], 0],
])('queue/postfix-queue %s', async (line, sockets, flags) => {
  const { made } = remade();
  const { ask, session } = testPlugin(postfixQueue, { options: line });
  await ask('queue');
  expect(made[0]![1]).toMatchObject({ sockets, flags });
  expect(session.transaction.notes.get(postfixQueueFlags)).toBe(flags);
});

test('queue/postfix-queue: cleanup_sockets before the line, POSTFIXQUEUE before both, notes before all', async () => {
  const files = { cleanup_sockets: ['/a', 'mx.example:9000', '[2001:db8::1]:9000'] };
  const listed = [{ path: '/a' }, { host: 'mx.example', port: 9000 }, { host: '2001:db8::1', port: 9000 }];
  const ask = async (variables: Record<string, string>, notes?: { flags: number; sockets: string[] }) => {
    const { made } = remade();
    const plugin = testPlugin(postfixQueue, {
      options: '/b FLAG_FILTER',
      config: files,
      system: { environment: variables },
    });
    if (notes !== undefined) {
      plugin.session.transaction.notes.set(postfixQueueFlags, notes.flags);
      plugin.session.transaction.notes.set(postfixQueueSockets, notes.sockets);
    }
    await plugin.ask('queue');
    return made[0]![1];
  };
  expect(await ask({})).toMatchObject({ sockets: listed, flags: 2 });
  expect(await ask({ POSTFIXQUEUE: 'other.example:1' })).toMatchObject({
    sockets: [{ host: 'other.example', port: 1 }],
  });
  expect(await ask({ POSTFIXQUEUE: '/e' }, { flags: 8, sockets: ['/n'] })).toMatchObject({
    sockets: [{ path: '/n' }],
    flags: 8,
  });
});

test('queue/qmqp takes hosts with and without ports', () => {
  const { made } = remade();
  testPlugin(qmqp, { options: 'qmqp_timeout 20 a.example b.example:1628 [2001:db8::1]:9' });
  const hosts = [
    { host: 'a.example', port: 628 },
    { host: 'b.example', port: 1628 },
    { host: '2001:db8::1', port: 9 },
  ];
  expect(made).toEqual([['qmqp', { hosts, connectTimeoutMs: 10_000, timeoutMs: 20_000 }]]);
});

test('queue/pipe takes everything behind its options for the command', () => {
  const { made } = remade();
  const line = 'per recipient line_ends crlf null_sender MAILER-DAEMON /bin/deliver -a %r per message';
  testPlugin(pipe, { options: line, programs });
  expect(made[0]![1]).toMatchObject({
    command: ['/bin/deliver', '-a', '%r', 'per', 'message'],
    per: 'recipient',
    lineEnds: 'crlf',
    nullSender: 'MAILER-DAEMON',
  });
});

test.each([
  [qmailQueue, 'qmail-queue', 'program: must be an absolute path'],
  [qmailQueue, '/bin/../;rm', 'program: must be an absolute path'],
  [qmailQueue, '/missing', '/missing can not be executed'],
  [qmailQueue, 'program_timeout 281', 'must be a whole number from 1 to 280'],
  [qmailQueue, 'processes 0', 'must be a whole number from 1 to 1000'],
  [eximBsmtp, 'exim_path /missing/exim', 'Could not find exim at /missing/exim; please set exim_path'],
  [eximBsmtp, '/usr/sbin/exim4', 'unknown option'],
  [postfixQueue, 'FLAG_FLITER', 'words: must be the path of a socket, or left out, then flags'],
  [postfixQueue, 'FLAG_FILTER /run/cleanup', 'words: must be the path of a socket, or left out, then flags'],
  [qmqp, '', 'hosts: is missing'],
  [qmqp, 'a.example:0', 'must be HOST, HOST:PORT or [ADDRESS]:PORT'],
  [pipe, '', 'command: is missing'],
  [pipe, 'procmail', 'command: must begin with the absolute path of a program'],
  [pipe, '/missing', '/missing can not be executed'],
  [pipe, 'null_sender -x /bin/deliver', 'null_sender: must not begin with a hyphen'],
])('a bad line is refused at start: $name $1', (definition, line, problem) => {
  expect(() => testPlugin(definition as typeof qmailQueue, { options: line, programs })).toThrow(problem);
});

test('a list of sockets that can not be read is refused at start', () => {
  expect(() => testPlugin(postfixQueue, { config: { cleanup_sockets: ['cleanup'] } })).toThrow(
    '`cleanup` is no socket of cleanup',
  );
});

const LATER = outcome('deferred', 451, '4.3.0', 'Unable to queue message (53)');
const NEVER = outcome('refused', 552, '5.7.1', 'no');
const SOFT = outcome('deferred', 452, '4.7.1', 'service unavailable');
const DONE = outcome('delivered', 250, undefined, 'Queued! 1 qp 2 <3>');

test.each([
  [qmailQueue, '/bin/q', [DONE], 'OK Queued! 1 qp 2 <3>'],
  [qmailQueue, '/bin/q', [LATER], 'DECLINED Unable to queue message (53)'],
  [qmailQueue, '/bin/q', [NEVER], 'DENY no (#7.1)'],
  [eximBsmtp, '', [LATER], 'DECLINED Unable to queue message (53)'],
  [postfixQueue, '', [LATER], 'DECLINED Unable to queue message (53)'],
  [postfixQueue, '', [SOFT], 'DENYSOFT service unavailable (#7.1)'],
  [postfixQueue, '', [NEVER], 'DENY no (#7.1)'],
  [qmqp, 'a.example', [LATER], 'DENYSOFT Unable to queue message (53) (#3.0)'],
  [pipe, '/bin/deliver', [DONE, LATER], 'DENYSOFT Unable to queue message (53) (#3.0)'],
  [pipe, '/bin/deliver', [DONE, NEVER], 'DENY no (#7.1)'],
])('what became of a message is one verdict: $name $1 $3', async (definition, line, outcomes, verdict) => {
  remade(outcomes);
  const { ask, session } = testPlugin(definition as typeof qmailQueue, {
    options: line,
    programs,
  });
  session.begin({
    message: 'Subject: x\r\n\r\ny\r\n',
    from: '<a@b>',
    to: outcomes.map(() => '<c@d>'),
  });
  expect(printVerdict(await ask('queue'))).toBe(verdict);
});
