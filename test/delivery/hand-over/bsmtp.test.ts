import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LfDotStuffing } from '../../../bindings/wire/dot-stuffing.ts';
import { BsmtpOutlet } from '../../../plugins/queue/exim-bsmtp/bsmtp-outlet.ts';
import { collectingLog, LIMITS, mail, shown, SYSTEM, unreadable, Workshop } from './mail-objects.ts';

const workshop = new Workshop();

function outletOf(body: string, limits: Partial<typeof LIMITS> = {}) {
  const program = workshop.program(body);
  const { log, lines } = collectingLog();
  return { lines, program, outlet: new BsmtpOutlet({ program, ...LIMITS, ...limits }, SYSTEM, log) };
}

test('a batch is one session with one message, dots stuffed, lines ending in LF', async () => {
  const [batch, words] = [workshop.path('batch'), workshop.path('words')];
  const { outlet, lines } = outletOf(`echo "$@" >${words}; cat >${batch}`);
  const report = await outlet.deliver(mail({ to: ['a@b.example', 'odd name@c.example'] }));
  expect(shown(report)).toEqual(['delivered 250 Queued!', 'delivered 250 Queued!']);
  expect(readFileSync(words, 'utf8')).toBe('-bS\n');
  expect(readFileSync(batch, 'utf8')).toBe(
    'HELO mx.example\nMAIL FROM:<s@c.example>\nRCPT TO:<a@b.example>\nRCPT TO:<"odd\\ name"@c.example>\nDATA\n' +
      'Message-Id: <1@c.example>\nSubject: hello\n\nbody\n..\n...dots\n.\nQUIT\n',
  );
  expect(lines).toEqual([]);
});

test('a content without a last line end is ended before the dot', async () => {
  const batch = workshop.path('unended');
  const { outlet } = outletOf(`cat >${batch}`);
  await outlet.deliver(mail({ from: '', text: 'Subject: x\r\n\r\nend' }));
  expect(readFileSync(batch, 'utf8')).toMatch(/^HELO mx\.example\nMAIL FROM:<>\n(?:.*\n)*end\n\.\nQUIT\n$/);
});

const stuffed = (blocks: readonly Buffer[]): string => {
  const stuffing = new LfDotStuffing();
  return Buffer.concat(blocks.flatMap((block) => [...stuffing.stuff(block)])).toString('latin1');
};

test('dots are stuffed wherever the blocks part the lines, behind CR and LF alone too', () => {
  const text = fc
    .array(fc.constantFrom('.', '\n', '\r', 'a', '\r\n'), { maxLength: 40 })
    .map((each) => each.join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { maxLength: 5 }), (content, cuts) => {
      const ends = [
        0,
        ...cuts.map((cut) => Math.min(cut, content.length)).sort((a, b) => a - b),
        content.length,
      ];
      const blocks = ends.slice(1).map((end, index) => Buffer.from(content.slice(ends[index], end)));
      const made = stuffed(blocks);
      expect(made).toBe(content.replace(/(^|[\r\n])\./g, '$1..'));
      expect(made).not.toMatch(/(?:^|[\r\n])\.(?:[\r\n]|$)/);
    }),
  );
});

test.each([
  ['', 0, 'delivered 250 Queued!'],
  ['554 Unexpected end of file', 1, 'refused 554 5.3.0 Unexpected end of file'],
  ['550 5.1.1 no such user', 1, 'refused 550 5.1.1 no such user'],
  ['550-first line\n550 last line', 0, 'refused 550 5.3.0 last line'],
  ['451 4.3.1 come back', 1, 'deferred 451 4.3.1 come back'],
  ['550 4.1.1 odd', 1, 'refused 550 5.3.0 odd'],
  ['250 fine', 0, 'delivered 250 Queued!'],
  ['exim: something', 1, 'deferred 451 4.3.0 Internal error enqueuing mail'],
  ['', 2, 'deferred 451 4.3.0 Internal error enqueuing mail'],
])('what Exim prints, %j, with exit code %i is %s', async (output, code, answer) => {
  const { outlet, lines, program } = outletOf(`cat >/dev/null; printf '%s' '${output}'; exit ${code}`);
  expect(shown(await outlet.deliver(mail()))).toEqual([answer]);
  if (answer.startsWith('delivered') && output === '') expect(lines).toEqual([]);
  else expect(lines[0]).toContain(`c1: ${program}: `);
});

test.each([
  ['dies', 'kill -SEGV $$'],
  ['stops reading', 'exit 0'],
  ['hangs', 'cat >/dev/null; sleep 60'],
])('a receiver that %s has not queued the message', async (_what, body) => {
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(20_000)}`;
  const { outlet, lines } = outletOf(body, { timeoutMs: 400 });
  expect(shown(await outlet.deliver(mail({ text })))).toEqual([
    'deferred 451 4.3.0 Internal error enqueuing mail',
  ]);
  expect(lines).toHaveLength(1);
});

test('of a message that can not be read no end is sent', async () => {
  const ended = workshop.path('ended');
  const { outlet } = outletOf(`cat >/dev/null; : >${ended}`);
  expect(shown(await outlet.deliver(unreadable()))).toEqual([
    'deferred 451 4.3.0 Internal error enqueuing mail',
  ]);
  expect(existsSync(ended)).toBe(false);
});

test.each([
  [{ to: ['a@b>\nRCPT TO:<v@w.example'] }, 'refused 553 5.1.3'],
  [{ from: 'a\r\nDATA\r\n@b.example' }, 'refused 553 5.1.7'],
])('an envelope of %j can not add commands', async (envelope, answer) => {
  const { outlet } = outletOf('cat >/dev/null');
  expect(shown(await outlet.deliver(mail(envelope)))[0]).toContain(answer);
});
