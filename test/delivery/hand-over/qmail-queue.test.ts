import { existsSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { ownText, QmailQueueOutlet } from '../../../plugins/queue/qmail-queue/qmail-queue-outlet.ts';
import { collectingLog, LIMITS, mail, shown, SYSTEM, TEXT_LF, unreadable, Workshop } from './mail-objects.ts';
import { PATIENCE } from '../../patience.ts';

const workshop = new Workshop();

function outletOf(body: string, limits: Partial<typeof LIMITS> = {}) {
  const program = workshop.program(body);
  const { log, lines } = collectingLog();
  return { program, lines, outlet: new QmailQueueOutlet({ program, ...LIMITS, ...limits }, SYSTEM, log) };
}

/** Reads everything, as qmail-queue does, and exits. */
const READ_ALL = 'cat >/dev/null; cat <&1 >/dev/null';

test('the message goes to descriptor 0 with LF, the envelope to 1', async () => {
  const [message, envelope] = [workshop.path('message'), workshop.path('envelope')];
  const { outlet, lines } = outletOf(`cat >${message}; cat <&1 >${envelope}`);
  const report = await outlet.deliver(mail({ to: ['a@b.example', 'odd name@c.example'] }));
  expect(shown(report)).toEqual([
    expect.stringMatching(/^delivered 250 Queued! 1700000000 qp \d+ <1@c\.example>$/),
    shown(report)[0],
  ]);
  expect(readFileSync(message, 'utf8')).toBe(TEXT_LF);
  expect(readFileSync(envelope, 'utf8')).toBe('Fs@c.example\0Ta@b.example\0Todd name@c.example\0\0');
  expect(lines).toEqual([]);
});

test('the null sender is an empty address, and a message without Message-Id our own id', async () => {
  const envelope = workshop.path('null-envelope');
  const { outlet } = outletOf(`cat >/dev/null; cat <&1 >${envelope}`);
  const [line] = shown(await outlet.deliver(mail({ from: '', text: 'Subject: x\r\n\r\ny\r\n' })));
  expect(line).toMatch(/qp \d+ <c1>$/);
  expect(readFileSync(envelope, 'utf8')).toBe('F\0Ta@b.example\0\0');
});

test('megabytes go through, however slowly they are read', async () => {
  const message = workshop.path('large');
  const { outlet } = outletOf(`sleep 0.2; cat >${message}; cat <&1 >/dev/null`);
  const text = `Subject: large\r\n\r\n${'0123456789abcdef'.repeat(4).concat('\r\n').repeat(60_000)}`;
  expect(shown(await outlet.deliver(mail({ text })))[0]).toMatch(/^delivered/);
  expect(readFileSync(message, 'latin1')).toBe(text.replaceAll('\r\n', '\n'));
});

test.each([
  [11, 'refused 554 5.1.3 envelope address too long for qq'],
  [31, 'refused 554 5.3.0 mail server permanently rejected message'],
  [40, 'refused 554 5.3.0 qq permanent problem'],
  [115, 'refused 554 5.1.3 envelope address too long for qq'],
  ...[1, 10, 41, 51, 52, 53, 54, 55, 56, 61, 62, 63, 64, 65, 66, 71, 81, 82, 88, 91, 100, 111, 120].map(
    (code) => [code, `deferred 451 4.3.0 Unable to queue message (${code})`] as const,
  ),
  [72, 'deferred 451 4.4.1 Unable to queue message (72)'],
  [73, 'deferred 451 4.4.1 Unable to queue message (73)'],
  [74, 'deferred 451 4.4.2 Unable to queue message (74)'],
] as const)('exit code %i is %s', async (code, answer) => {
  const { outlet, lines, program } = outletOf(`${READ_ALL}; echo why >&2; exit ${code}`);
  expect(shown(await outlet.deliver(mail()))).toEqual([answer]);
  expect(lines).toEqual([expect.stringMatching(new RegExp(`c1: ${program}: exit code ${code}, .*: why$`))]);
});

test.each([
  [82, 4, 'Dspam (#5.7.1)', 'refused 554 5.7.1 spam'],
  [82, 6, 'Zlater', 'deferred 451 4.3.0 later'],
  [88, 4, 'Dvirus found', 'refused 554 5.3.0 virus found'],
  [88, 2, 'Zbusy (#4.3.2)', 'deferred 451 4.3.2 busy'],
  [82, 4, 'D', 'refused 554 5.3.0 qq permanent problem'],
  [82, 4, 'Dmixed (#4.1.1)', 'refused 554 5.3.0 mixed'],
  [31, 4, 'Zignored', 'refused 554 5.3.0 mail server permanently rejected message'],
])('exit code %i with words on descriptor %i: %s', async (code, fd, text, answer) => {
  const { outlet } = outletOf(`${READ_ALL}; printf '${text}' >&${fd}; exit ${code}`);
  expect(shown(await outlet.deliver(mail()))).toEqual([answer]);
});

test('own words may hold as many blanks as they like', () => {
  // With a pattern for the blanks in front of the status this takes minutes.
  const text = `Dno${' '.repeat(400_000)}why (#5.7.1)  `;
  expect(ownText(82, new Map([[4, text]]))).toEqual({ isPermanent: true, text: 'no why', status: '5.7.1' });
});

test('own words can not put a second line into the reply', async () => {
  const { outlet } = outletOf(`${READ_ALL}; printf 'Dno\\r\\n250 yes\\033[2J' >&4; exit 82`);
  expect(shown(await outlet.deliver(mail()))).toEqual(['refused 554 5.3.0 no']);
});

test.each([
  ['does not read', 'exit 0', 'Unable to queue message (54)'],
  ['closes its input and waits', 'exec 0<&-; exec 1<&-; sleep 0.3; exit 53', 'Unable to queue message (53)'],
  ['dies by a signal', `${READ_ALL}; kill -KILL $$`, 'Unable to queue message (died)'],
  ['dies mid-way', 'head -c 100 >/dev/null; kill -SEGV $$', 'Unable to queue message (died)'],
])('a program that %s gets no message accepted', async (_what, body, answer) => {
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(20_000)}`;
  const { outlet, lines } = outletOf(body);
  const [line] = shown(await outlet.deliver(mail({ text })));
  expect(line).toMatch(/^deferred 451 4\.3\.0 /);
  expect(line).toContain(answer);
  expect(lines).toHaveLength(1);
});

test('a program that can not be started', async () => {
  const { log, lines } = collectingLog();
  const outlet = new QmailQueueOutlet({ program: '/no/such/qmail-queue', ...LIMITS }, SYSTEM, log);
  expect(shown(await outlet.deliver(mail()))).toEqual([
    'deferred 451 4.3.0 Unable to queue message (not started)',
  ]);
  expect(lines[0]).toContain('ENOENT');
});

test('a program that hangs is ended with all it has started', async () => {
  const pids = workshop.path('pids');
  const body = `trap '' TERM; sleep 60 & echo $! $$ >${pids}; while :; do sleep 1; done`;
  const { outlet, lines } = outletOf(body, { timeoutMs: 300 });
  expect(shown(await outlet.deliver(mail()))).toEqual([
    'deferred 451 4.3.0 Unable to queue message (given up)',
  ]);
  expect(lines[0]).toContain('its time was up');
  const numbers = readFileSync(pids, 'utf8').trim().split(' ');
  expect(numbers).toHaveLength(2);
  await vi.waitFor(() => expect(numbers.filter(isRunning)).toEqual([]), PATIENCE);
});

/** False for zombies, which nobody may be there to reap. */
function isRunning(pid: string): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a message that can not be read is not queued in part', async () => {
  const queued = workshop.path('half');
  const { outlet, lines } = outletOf(`cat >/dev/null; cat <&1 >/dev/null; : >${queued}`);
  expect(shown(await outlet.deliver(unreadable()))).toEqual([
    'deferred 451 4.3.0 Unable to queue message (unreadable)',
  ]);
  expect(lines[0]).toContain('EIO');
  expect(existsSync(queued)).toBe(false);
});

test('an aborted delivery ends the program', async () => {
  const aborter = new AbortController();
  const { outlet } = outletOf('sleep 60');
  const report = outlet.deliver(mail(), aborter.signal);
  setTimeout(() => aborter.abort(), 100);
  expect(shown(await report)).toEqual(['deferred 451 4.3.0 Unable to queue message (given up)']);
});

test('no more programs run than there are places, and no more messages wait than may', async () => {
  const running = workshop.path('running');
  const body = `mkdir ${running} || exit 31; sleep 0.2; cat >/dev/null; cat <&1 >/dev/null; rmdir ${running}`;
  const { outlet, lines } = outletOf(body, { processes: 1, waiting: 2 });
  const reports = await Promise.all([1, 2, 3, 4].map(() => outlet.deliver(mail())));
  expect(reports.map((report) => report[0]!.kind)).toEqual([
    'delivered',
    'delivered',
    'delivered',
    'deferred',
  ]);
  expect(lines).toEqual([expect.stringContaining('full, too many messages wait for it already')]);
});

test.each([
  [
    { to: ['a@b.example', 'x\0Tv@w.example'] },
    'refused 553 5.1.3 a recipient address has control characters',
  ],
  [{ from: 'a\n@b' }, 'refused 553 5.1.7 the sender address has control characters'],
])('an envelope of %j does not reach the program', async (envelope, answer) => {
  const { outlet } = outletOf(`: >${workshop.path('started')}`);
  expect(new Set(shown(await outlet.deliver(mail(envelope))))).toEqual(new Set([answer]));
  expect(existsSync(workshop.path('started'))).toBe(false);
});
