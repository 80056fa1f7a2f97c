/** The plugins that judge a message by little: bogus_bounce, loop, virus/klez_filter. */

import { expect, test } from 'vitest';
import { bodyLines } from '../../bindings/plugin/index.ts';
import bogusBounce from '../../plugins/bogus_bounce.ts';
import klezFilter from '../../plugins/virus/klez_filter.ts';
import loop from '../../plugins/loop.ts';
import { given, words } from './plugin-context.ts';
import { transactionWith } from './stored.ts';

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
    const { ask, session } = given(bogusBounce, { words: line });
    session.transaction = transactionWith(`${fields}Subject: x\r\n\r\n`, { from, to });
    expect(words(await ask('data_post'))).toBe(answer);
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
    const { ask, session } = given(loop, { words: line });
    session.transaction = transactionWith(
      `${'Received: x\r\n'.repeat(received)}${'delivered-to: y\r\n'.repeat(delivered)}\r\n`,
    );
    expect(words(await ask('data_post'))).toBe(answer);
  },
);

test('loop refuses at start what is no number', () => {
  expect(() => given(loop, { words: 'many' })).toThrow('must be a whole number');
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
  const { ask, session } = given(klezFilter);
  session.transaction = transactionWith(text);
  expect(words(await ask('data_post'))).toBe(answer);
});

test('bodyLines cuts long lines, stops in time, and gives a last line without line end', async () => {
  const read = async (text: string, maxLines: number): Promise<string[]> => {
    const lines: string[] = [];
    const { message } = transactionWith(text);
    for await (const line of bodyLines(message, { maxLines, maxOctets: 5 })) lines.push(line);
    return lines;
  };
  expect(await read('A: b\r\n\r\n1234567\r\n\r\nlast', 9)).toEqual(['', '12345', '', 'last']);
  expect(await read('A: b\r\n\r\none\r\ntwo\r\n', 2)).toEqual(['', 'one']);
  expect(await read(`A: b\r\n\r\n${'y'.repeat(300_000)}\r\nz\r\n`, 9)).toEqual(['', 'yyyyy', 'z']);
});
