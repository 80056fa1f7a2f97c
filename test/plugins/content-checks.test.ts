/** The plugins that judge a message by little: bogus_bounce, loop, virus/klez_filter. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { storedMessage, testPlugin, printVerdict, TestServer } from '../../host/testing/index.ts';
import { bodyLines, quarantine } from '../../bindings/plugin/index.ts';
import bogusBounce from '../../plugins/bogus_bounce.ts';
import klezFilter from '../../plugins/virus/klez_filter.ts';
import loop from '../../plugins/loop.ts';

const RECIPIENTS = 'fail, this bounce message does not have 1 recipient';
const RETURN_PATH = 'a bounce return path must be empty (RFC 3834)';

test.each([
  ['reject 1', '<>', ['<u@v.example>'], '', 'DECLINED'],
  ['reject 1', '<>', ['<u@v.example>', '<w@v.example>'], '', `DENY ${RECIPIENTS}`],
  ['reject 1', '<a@b.example>', ['<u@v.example>', '<w@v.example>'], '', 'DECLINED'],
  ['reject 1 reject_type temp', '<>', ['<u@v.example>', '<w@v.example>'], '', `DENYSOFT ${RECIPIENTS}`],
  ['reject 1', '<>', ['<u@v.example>'], 'Return-Path: <a@b.example>\r\n', `DENY ${RETURN_PATH}`],
  ['reject 1', '<>', ['<u@v.example>'], 'Return-Path: <>\r\n', 'DECLINED'],
  ['', '<>', ['<u@v.example>', '<w@v.example>'], '', 'DECLINED'],
  ['log', '<>', ['<u@v.example>', '<w@v.example>'], '', 'DECLINED'],
  ['deny', '<>', ['<u@v.example>', '<w@v.example>'], '', `DENY ${RECIPIENTS}`],
  ['denysoft', '<>', ['<u@v.example>', '<w@v.example>'], '', `DENYSOFT ${RECIPIENTS}`],
] as const)(
  'bogus_bounce %s: from %s to %j with %j is answered with %s',
  async (line, from, to, fields, answer) => {
    const { ask, session } = testPlugin(bogusBounce, { options: line });
    session.begin({ message: `${fields}Subject: x\r\n\r\n`, from, to });
    expect(printVerdict(await ask('data_post'))).toBe(answer);
  },
);

test.each([
  ['5', 2, 2, 'DECLINED'],
  ['5', 3, 2, 'DENY Too many hops (#4.6)'],
  ['', 99, 0, 'DECLINED'],
  ['', 100, 0, 'DENY Too many hops (#4.6)'],
])(
  'loop %s: %i Received and %i Delivered-To are answered with %s. RFC 5321 section 6.3',
  async (line, received, delivered, answer) => {
    const { ask, session } = testPlugin(loop, { options: line });
    session.begin({
      message: `${'Received: x\r\n'.repeat(received)}${'delivered-to: y\r\n'.repeat(delivered)}\r\n`,
    });
    expect(printVerdict(await ask('data_post'))).toBe(answer);
  },
);

test('loop refuses at start what is no number', () => {
  expect(() => testPlugin(loop, { options: 'many' })).toThrow('must be a whole number');
});

const PROGRAM = 'TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA\r\n';
const TYPE = 'Content-Type: audio/x-wav; name=x.exe\r\n';
const FILLING = 'x\r\n';
const large = (lines: string): string =>
  `Subject: x\r\n\r\n${lines}${'A'.repeat(76)}\r\n`.padEnd(60_000, 'A');

test.each([
  ['the worm', large(`${TYPE}\r\n${PROGRAM}`), 'DENY Klez Virus Detected'],
  ['the worm in line 41', large(`${FILLING.repeat(38)}${TYPE}${PROGRAM}`), 'DENY Klez Virus Detected'],
  ['a program in line 42', large(`${FILLING.repeat(39)}${TYPE}${PROGRAM}`), 'DECLINED'],
  ['a program without a type', large(PROGRAM), 'DECLINED'],
  ['a type without a program', large(TYPE), 'DECLINED'],
  ['a small message', `Subject: x\r\n\r\n${TYPE}${PROGRAM}`, 'DECLINED'],
])('virus/klez_filter: %s', async (_, text, answer) => {
  const { ask, session } = testPlugin(klezFilter);
  session.begin({ message: text });
  expect(printVerdict(await ask('data_post'))).toBe(answer);
});

const quarantined = (lines: readonly string[]) => ({
  options: 'action quarantine',
  config: { plugins: ['virus/klez_filter action quarantine', ...lines] },
});

test.each([
  ['the worm', large(`${TYPE}\r\n${PROGRAM}`), 'Klez Virus Detected'],
  ['a program without a type', large(PROGRAM), undefined],
  ['a small message', `Subject: x\r\n\r\n${TYPE}${PROGRAM}`, undefined],
])('virus/klez_filter action quarantine marks what it finds: %s', async (_, text, reason) => {
  const { ask, session, log } = testPlugin(
    klezFilter,
    quarantined(['queue/quarantine:1 maildir /q', 'queue/maildir /m']),
  );
  session.begin({ message: text });
  expect(printVerdict(await ask('data_post'))).toBe('DECLINED');
  expect(session.transaction.notes.get(quarantine)).toBe(reason);
  expect(log.join('\n').includes('Klez Virus Detected')).toBe(reason !== undefined);
});

test('virus/klez_filter leaves the reason of whoever marked the message before', async () => {
  const { ask, session } = testPlugin(klezFilter, quarantined(['queue/quarantine maildir /q']));
  session.begin({ message: large(`${TYPE}\r\n${PROGRAM}`) });
  session.transaction.notes.set(quarantine, 'encrypted');
  await ask('data_post');
  expect(session.transaction.notes.get(quarantine)).toBe('encrypted');
});

test.each([
  [[], 'needs a line `queue/quarantine OUTLET`'],
  [['queue/maildir /m'], 'needs a line `queue/quarantine OUTLET`'],
  [['queue/maildir /m', 'queue/quarantine maildir /q'], 'in front of other queue plugins'],
  [['queue/quarantine-like /q', 'queue/quarantine maildir /q'], 'in front of other queue plugins'],
  [
    ['queue/quarantine maildir /q', 'queue/cut-through 10.0.0.5'],
    'does not go together with queue/cut-through',
  ],
])(
  'virus/klez_filter action quarantine with %j would let the worm through: refused at start',
  (lines, problem) => {
    expect(() => testPlugin(klezFilter, quarantined(lines))).toThrow(problem);
    expect(() => testPlugin(klezFilter, { config: { plugins: lines } })).not.toThrow();
  },
);

test('the worm goes to the quarantine with the reason on top, and nowhere else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-klez-'));
  const [held, inbox] = [join(folder, 'held'), join(folder, 'in')];
  const server = await TestServer.start({
    plugins: [
      'rcpt_ok',
      'virus/klez_filter action quarantine',
      `queue/quarantine maildir ${held}`,
      `queue/maildir ${inbox}`,
    ],
    config: { rcpthosts: 'example.test' },
  });
  try {
    const client = await server.greeted();
    for (const text of [large(`${TYPE}\r\n${PROGRAM}`), 'Subject: harmless\r\n\r\n']) {
      await client.say('MAIL FROM:<a@b.example>');
      await client.say('RCPT TO:<u@example.test>');
      await client.say('DATA');
      client.send(`${text}\r\n.\r\n`);
      expect(await client.reply()).toMatch(/^250 Queued!/);
    }
    const read = (directory: string) =>
      readdirSync(join(directory, 'new')).map((name) => readFileSync(join(directory, 'new', name), 'utf8'));
    expect(read(held)).toEqual([expect.stringContaining('X-Quarantine-Reason: Klez Virus Detected\n')]);
    expect(read(inbox)).toEqual([expect.stringContaining('Subject: harmless\n')]);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

test('bodyLines cuts long lines, stops in time, and gives a last line without line end', async () => {
  const read = async (text: string, maxLines: number): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of bodyLines(storedMessage(text), { maxLines, maxOctets: 5 })) lines.push(line);
    return lines;
  };
  expect(await read('A: b\r\n\r\n1234567\r\n\r\nlast', 9)).toEqual(['', '12345', '', 'last']);
  expect(await read('A: b\r\n\r\none\r\ntwo\r\n', 2)).toEqual(['', 'one']);
  expect(await read(`A: b\r\n\r\n${'y'.repeat(300_000)}\r\nz\r\n`, 9)).toEqual(['', 'yyyyy', 'z']);
});
