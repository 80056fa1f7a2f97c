import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { Address } from '../../../bindings/wire/address.ts';
import { CommandArguments, inCommands } from '../../../plugins/queue/pipe/command-arguments.ts';
import { PipeOutlet, type PipeOptions } from '../../../plugins/queue/pipe/pipe-outlet.ts';
import { programs } from '../../../host/programs/programs.ts';
import pipe from '../../../plugins/queue/pipe/index.ts';
import { given } from '../../hooks/plugin-context.ts';
import { address } from '../transaction.ts';
import { collectingLog, LIMITS, mail, shown, TEXT, TEXT_LF, Workshop } from './mail-objects.ts';

const workshop = new Workshop();

function outletOf(body: string, words: readonly string[] = [], options: Partial<PipeOptions> = {}) {
  const program = workshop.program(body);
  const { log, lines } = collectingLog();
  const usual = { per: 'message', lineEnds: 'lf', nullSender: '<>' } as const;
  const given = { ...LIMITS, ...usual, command: [program, ...words], ...options };
  return { program, lines, outlet: new PipeOutlet(given, programs, log) };
}

const TO = ['a@b.example', 'e@f.example'];

test.each([
  ['lf', TEXT_LF],
  ['crlf', TEXT],
] as const)('the message is on the standard input, with %s', async (lineEnds, text) => {
  const message = workshop.path(`message-${lineEnds}`);
  const { outlet, lines } = outletOf(`cat >${message}`, [], { lineEnds });
  expect(shown(await outlet.deliver(mail()))).toEqual(['delivered 250 2.0.0 Delivered']);
  expect(readFileSync(message, 'utf8')).toBe(text);
  expect(lines).toEqual([]);
});

/** Writes its words, one a line, behind `run`. */
const tell = (path: string): string => `cat >/dev/null; echo run >>${path}; printf '%s\\n' "$@" >>${path}`;

test('one run for all: words with recipients are repeated, no shell reads them', async () => {
  const path = workshop.path('words');
  const { outlet } = outletOf(tell(path), ['-f', '%s', '100%%', '%u', '--', '%r']);
  const to = ['$(id)@b.example', 'a b;`id`@f.example'];
  expect(shown(await outlet.deliver(mail({ to })))).toHaveLength(2);
  expect(readFileSync(path, 'utf8').split('\n')).toEqual([
    'run',
    '-f',
    's@c.example',
    '100%',
    '$(id)',
    'a b;`id`',
    '--',
    ...to,
    '',
  ]);
});

test('one run for each recipient, with outcomes of their own', async () => {
  const path = workshop.path('each');
  const { outlet, lines } = outletOf(`${tell(path)}; [ "$1" = e ] && exit 67; exit 0`, ['%u', '%d'], {
    per: 'recipient',
  });
  expect(shown(await outlet.deliver(mail({ to: TO })))).toEqual([
    'delivered 250 2.0.0 Delivered',
    'refused 550 5.1.1 user unknown',
  ]);
  expect(readFileSync(path, 'utf8')).toBe('run\na\nb.example\nrun\ne\nf.example\n');
  expect(lines).toHaveLength(1);
});

test('the environment holds the envelope and nothing of the daemon', async () => {
  process.env['QPSMTPD_TEST_SECRET'] = 'secret';
  const path = workshop.path('environment');
  const { outlet } = outletOf(`cat >/dev/null; /usr/bin/env >${path}`, [], { per: 'recipient' });
  await outlet.deliver(mail());
  delete process.env['QPSMTPD_TEST_SECRET'];
  const names = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line));
  expect(names.sort()).toEqual([
    'HOST=b.example',
    'LOCAL=a',
    'MESSAGE_ID=c1',
    expect.stringMatching(/^PATH=/),
    'RECIPIENT=a@b.example',
    'SENDER=s@c.example',
  ]);
});

test.each([
  [65, 'refused 554 5.6.0 data format error'],
  [67, 'refused 550 5.1.1 user unknown'],
  [68, 'refused 550 5.1.2 host name unknown'],
  [69, 'refused 554 5.3.0 service unavailable'],
  [71, 'deferred 451 4.3.0 system error'],
  [74, 'deferred 451 4.3.0 input/output error'],
  [75, 'deferred 451 4.3.0 temporary failure'],
  [77, 'refused 550 5.7.0 permission denied'],
  [78, 'deferred 451 4.3.5 local configuration error'],
  [100, 'refused 554 5.3.0 mail system permanently refuses the message'],
  ...[1, 2, 64, 66, 70, 72, 73, 76, 99, 111, 126, 127, 255].map(
    (code) => [code, 'deferred 451 4.3.0 the delivery program failed'] as const,
  ),
] as const)('exit code %i is %s, and what was printed is in the log', async (code, answer) => {
  const { outlet, lines, program } = outletOf(
    `cat >/dev/null; printf 'out\\n\\033[2J'; echo err >&2; exit ${code}`,
  );
  expect(shown(await outlet.deliver(mail()))).toEqual([answer]);
  expect(lines).toEqual([`c1: ${program}: exit code ${code}: out [2J err`]);
});

test('a program that delivers without reading everything has delivered', async () => {
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(50_000)}`;
  const { outlet } = outletOf('head -n 1 >/dev/null; exit 0');
  expect(shown(await outlet.deliver(mail({ text })))[0]).toMatch(/^delivered/);
});

test.each([
  ['dies', 'kill -SEGV $$', 'died, killed by SIGSEGV'],
  ['hangs', 'cat >/dev/null; sleep 60', 'given up, its time was up'],
  [
    'prints without end',
    'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done',
    'given up',
  ],
])('a program that %s is a deferral', async (_what, body, reason) => {
  const { outlet, lines } = outletOf(body, [], { timeoutMs: 400 });
  expect(shown(await outlet.deliver(mail()))).toEqual(['deferred 451 4.3.0 the delivery program failed']);
  expect(lines).toEqual([expect.stringContaining(reason)]);
  expect(lines[0]!.length).toBeLessThan(700);
});

test('a process that is left behind and holds the output does not hold up the reply', async () => {
  const left = workshop.path('left');
  const { outlet } = outletOf(`cat >/dev/null; sleep 600 & echo $! >${left}; exit 0`);
  expect(shown(await outlet.deliver(mail()))[0]).toMatch(/^delivered/);
  // It still runs: kill throws for one that is gone.
  process.kill(Number(readFileSync(left, 'utf8')), 'SIGKILL');
});

test.each([
  ['%r', { to: ['-oQ/tmp@b.example'] }, 'refused 553 5.1.3 an address of the recipient begins with a hyphen'],
  [
    '%u',
    { to: ['a@b.example', '-X@b.example'] },
    'refused 553 5.1.3 an address of the recipient begins with a hyphen',
  ],
  ['%s', { from: '-be@c.example' }, 'refused 553 5.1.7 an address of the sender begins with a hyphen'],
  [
    '/m/%d/%u',
    { to: ['../../etc/x@b.example'] },
    'refused 553 5.1.3 an address of the recipient does not fit into a path',
  ],
  [
    '/m/%d/%u',
    { to: ['..@b.example'] },
    'refused 553 5.1.3 an address of the recipient does not fit into a path',
  ],
  [
    '/m/%d/%u',
    { to: ['postmaster'] },
    'refused 553 5.1.3 an address of the recipient does not fit into a path',
  ],
  ['%d%u', { to: ['-x'] }, 'refused 553 5.1.3 an address of the recipient begins with a hyphen'],
  ['-f%s', { from: '-x\0@b' }, 'refused 553 5.1.7 the sender address has control characters'],
])('the word %s and the envelope %j: no program runs', async (word, envelope, answer) => {
  const path = workshop.path('never');
  const { outlet } = outletOf(`: >${path}`, [word]);
  expect(new Set(shown(await outlet.deliver(mail(envelope))))).toEqual(new Set([answer]));
  expect(existsSync(path)).toBe(false);
});

test.each([
  ['%u', '../../etc/x@b.example'],
  ['%u', '/etc/x@b.example'],
  ['%u', 'x/../../y@b.example'],
  ['%u', 'other/new/x@b.example'],
  ['%u', '..@b.example'],
  ['%u', '.ssh@b.example'],
  ['%u', '@b.example'],
  ['%d', 'u@..'],
  ['%d', 'u@x/y'],
  ['%r', '../x@b.example'],
  ['--to=%r', 'v@b.example/new/x@b.example'],
  ['/m/%u', '.ssh@b.example'],
])('the word %s and the recipient %s, of whom a path could be made: no program runs', async (word, to) => {
  const path = workshop.path('never-for');
  const { outlet } = outletOf(`: >${path}`, [word]);
  const answer = 'refused 553 5.1.3 an address of the recipient does not fit into a path';
  expect(shown(await outlet.deliver(mail({ to: ['a@b.example', to] })))).toEqual([answer, answer]);
  expect(existsSync(path)).toBe(false);
});

test.each([
  ['%s', '../x@c.example'],
  ['-f%s', 'x/../y@c'],
  ['%s', '/etc/x@c'],
  ['/m/%s', 'a/b@c'],
])('the word %s and the sender %s, of whom a path could be made: no program runs', async (word, from) => {
  const path = workshop.path('never-from');
  const { outlet } = outletOf(`: >${path}`, [word]);
  const answer = 'refused 553 5.1.7 an address of the sender does not fit into a path';
  expect(shown(await outlet.deliver(mail({ from })))).toEqual([answer]);
  expect(existsSync(path)).toBe(false);
});

test('of recipients that are tracked, those with a safe command have the message', async () => {
  const path = workshop.path('tracked');
  const { outlet } = outletOf(tell(path), ['%r']);
  const to = ['a@b.example', '-x@b.example', 'e@f.example'];
  expect(shown(await outlet.deliver(mail({ to, isTrackedByRecipient: true })))).toEqual([
    'delivered 250 2.0.0 Delivered',
    'refused 553 5.1.3 an address of the recipient begins with a hyphen',
    'delivered 250 2.0.0 Delivered',
  ]);
  expect(readFileSync(path, 'utf8')).toBe('run\na@b.example\ne@f.example\n');
});

test('behind other characters, an address that begins with a hyphen is no option', () => {
  const words = new CommandArguments(['/bin/x', '-f%s', '--to=%r'], '<>');
  expect(words.expand(address('-a@b'), [address('-c@d')])).toEqual(['/bin/x', '-f-a@b', '--to=-c@d']);
  expect(words.expand(address(''), [address('e@f')])).toEqual(['/bin/x', '-f<>', '--to=e@f']);
});

test('what no program takes for a path or an option is handed to it as it is', () => {
  const words = new CommandArguments(['/bin/x', '%s', '-d%u', '%d'], '<>');
  const made = words.expand(address('list+17/x=y@lists.example'), [address('a..b.-c@d')]);
  expect(made).toEqual(['/bin/x', 'list+17/x=y@lists.example', '-da..b.-c', 'd']);
  expect(words.expand(address(''), [address('postmaster')])).toEqual(['/bin/x', '<>', '-dpostmaster', '']);
});

test('no envelope leads a program that makes file names of its words out of its directory', () => {
  const part = fc.array(fc.constantFrom('/', '.', '..', '-', 'a', '@'), { maxLength: 6 });
  fc.assert(
    fc.property(part, part, part, (local, domain, sender) => {
      const words = new CommandArguments(['/bin/x', '%s', '%r', '%u', '%d', 'a%u%d'], '<>');
      const to = new Address(local.join(''), domain.join(''));
      const made = words.expand(new Address(sender.join(''), 's'), [to]);
      if ('problem' in made) return;
      for (const word of made.slice(1)) {
        expect(resolve('/m', word)).toMatch(/^\/m(?:\/|$)/);
        expect(join('/m', word)).toMatch(/^\/m(?:\/|$)/);
      }
      for (const word of made.slice(2)) expect(word).not.toContain('/');
    }),
  );
});

test('no envelope makes a word an option', () => {
  const part = fc.string({ minLength: 1 });
  fc.assert(
    fc.property(part, part, part, (local, domain, sender) => {
      const made = new CommandArguments(['/bin/x', '%s', '%r', '%u', '%d'], '<>').expand(
        address(`${sender}@s`),
        [address(`${local}@${domain}`)],
      );
      if ('problem' in made) return;
      for (const word of made.slice(1)) expect(word.startsWith('-')).toBe(false);
    }),
  );
});

test.each([['%x'], ['%'], ['100%']])('the word %s is refused', (word) => {
  expect(() => new CommandArguments(['/bin/x', word], '<>')).toThrow('can not stand here');
});

test('so many recipients as fit go into one command', () => {
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const parts = inCommands(items, () => 300);
  expect(parts.flat()).toEqual(items);
  expect(Math.max(...parts.map((part) => part.length))).toBe(Math.floor(65_536 / 300));
  expect(inCommands([1], () => 1_000_000)).toEqual([[1]]);
});

test('a pattern that can not be filled is refused at start', () => {
  expect(() => given(pipe, { words: '/bin/deliver %z' })).toThrow('`%z` can not stand here');
});
