import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplyReader } from '../../plugins/queue/smtp/reply-reader.ts';

/** The replies in `octets`, or the fault; `cuts` say where the reads of the socket end. */
function readAll(octets: Buffer, cuts: readonly number[] = []): unknown {
  const reader = new ReplyReader();
  const replies: unknown[] = [];
  let from = 0;
  try {
    for (const cut of [...cuts.map((at) => at % (octets.length + 1)).sort((a, b) => a - b), octets.length]) {
      if (cut > from) replies.push(...reader.take(octets.subarray(from, cut)));
      from = cut;
    }
    return replies;
  } catch (cause) {
    return (cause as Error).message;
  }
}

test.each([
  ['250 ok\r\n', { code: 250, status: undefined, lines: ['ok'] }],
  ['250\r\n', { code: 250, status: undefined, lines: [] }],
  ['250 \r\n', { code: 250, status: undefined, lines: [] }],
  ['250 2.0.0\r\n', { code: 250, status: '2.0.0', lines: [] }],
  ['250 2.0.0 \r\n', { code: 250, status: '2.0.0', lines: [] }],
  ['354\r\n', { code: 354, status: undefined, lines: [] }],
  ['334 \r\n', { code: 334, status: undefined, lines: [] }],
  ['550-5.1.1\r\n550 5.1.1\r\n', { code: 550, status: '5.1.1', lines: [] }],
  ['250-\r\n250 SIZE\r\n', { code: 250, status: undefined, lines: ['', 'SIZE'] }],
  ['250-\r\n250 \r\n', { code: 250, status: undefined, lines: [] }],
  ['550-5.1.1 no such\r\n550 5.1.1 user\r\n', { code: 550, status: '5.1.1', lines: ['no such', 'user'] }],
  ['550-\r\n550 no\r\n', { code: 550, status: undefined, lines: ['no'] }],
  ['450 5.1.1 odd\r\n', { code: 450, status: undefined, lines: ['5.1.1 odd'] }],
  ['250 ok\n', { code: 250, status: undefined, lines: ['ok'] }],
  ['554 a\u0007\u001b[31m\u00fc\tb\r\n', { code: 554, status: undefined, lines: ['a??[31m??b'] }],
])('%j', (text, reply) => {
  expect(readAll(Buffer.from(text, 'latin1'))).toEqual([reply]);
});

test('how the octets are cut makes no difference, and what is no reply is a fault', () => {
  const piece = fc.constantFrom('250', '550', ' ', '-', '\r\n', '\n', '\r', 'ok', '5.1.1 ', '\0', '999', 'x');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 6 }), (pieces, cuts) => {
      const octets = Buffer.from(pieces.join(''), 'latin1');
      expect(readAll(octets, cuts)).toEqual(readAll(octets));
    }),
    { numRuns: 1_000 },
  );
});

test('a line is read up to 2,048 octets, a reply up to 100 lines and 16,384 octets', () => {
  expect(readAll(Buffer.from(`250 ${'x'.repeat(2_000)}\r\n`))).toHaveLength(1);
  expect(readAll(Buffer.from(`250 ${'x'.repeat(2_100)}`))).toBe('line too long');
  expect(readAll(Buffer.from(`${'250-x\r\n'.repeat(99)}250 x\r\n`))).toHaveLength(1);
  expect(readAll(Buffer.from(`${'250-x\r\n'.repeat(100)}250 x\r\n`))).toBe('too many lines');
  expect(readAll(Buffer.from(`${`250-${'x'.repeat(2_000)}\r\n`.repeat(8)}250 x\r\n`))).toHaveLength(1);
  expect(readAll(Buffer.from(`${`250-${'x'.repeat(2_000)}\r\n`.repeat(9)}250 x\r\n`))).toBe('reply too long');
});

test('a line that is known from a reply of one line counts anew inside a reply of several', () => {
  const text = '250 ok\r\n250 ok\r\n250-ok\r\n250 ok\r\n250 ok\r\n';
  const one = { code: 250, status: undefined, lines: ['ok'] };
  expect(readAll(Buffer.from(text))).toEqual([one, one, { ...one, lines: ['ok', 'ok'] }, one]);
});
