/** RFC 5322 sections 2.1.1 and 2.2.3: a fold changes nothing of what a field says, and lines keep their length where they can. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foldField, isTooLongToFold } from '../../bindings/wire/field-folding.ts';

const NAME = 'X-Field';

const parts = fc.array(
  fc
    .string({ unit: fc.constantFrom('a', 'é', ' ', ' ', '"', ';', 'x'.repeat(40)), minLength: 1 })
    .filter((text) => text === text.trim()),
  { minLength: 1, maxLength: 8 },
);

test('what was folded reads as it did before', () => {
  fc.assert(
    fc.property(parts, (texts) => {
      const folded = foldField(NAME, texts);
      expect(folded.replace(/\n(?= )/g, '')).toBe(texts.join(' '));
      for (const line of folded.split('\n')) expect(line).toMatch(/\S/);
    }),
  );
});

test('a line is longer than 78 octets only if there is no blank to fold it at', () => {
  fc.assert(
    fc.property(parts, (texts) => {
      const lines = `${NAME}: ${foldField(NAME, texts)}`.split('\n');
      for (const line of lines) {
        if (Buffer.byteLength(line) <= 78) continue;
        expect(line.replace(`${NAME}: `, '').trim()).not.toMatch(/\S \S/);
      }
    }),
  );
});

test('a part that fits on a line is kept on one', () => {
  const part = 'spf=pass (a comment of some length) smtp.mailfrom=a.example;';
  expect(foldField(NAME, ['mx.example;', part, part, 'b=c'])).toBe(`mx.example;\n ${part}\n ${part} b=c`);
});

test.each([
  ['word '.repeat(1_000), false],
  ['x'.repeat(996), false],
  ['x'.repeat(997), true],
  ['é'.repeat(499), true],
])('%# can be folded or not', (text, isTooLong) => {
  expect(isTooLongToFold(text)).toBe(isTooLong);
});
