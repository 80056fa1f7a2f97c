/** Lone LF become CRLF wherever the blocks are cut; everything else stays as it is. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CrlfLines } from '../../host/injection/message-content.ts';

const converted = (blocks: readonly string[]): string => {
  const lines = new CrlfLines();
  return Buffer.concat(blocks.map((block) => lines.convert(Buffer.from(block, 'latin1')))).toString('latin1');
};

test('any text, cut anywhere, is what a regular expression makes of the whole', () => {
  const text = fc.array(fc.constantFrom('\r', '\n', '\r\n', '.', 'x', '\u00e4'), { maxLength: 40 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(60), { maxLength: 5 }), (pieces, cuts) => {
      const whole = pieces.join('');
      const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length].sort(
        (a, b) => a - b,
      );
      const blocks = places.slice(1).map((end, index) => whole.slice(places[index], end));
      expect(converted(blocks)).toBe(whole.replace(/(?<!\r)\n/g, '\r\n'));
    }),
  );
});

test('a block that needs nothing is not copied', () => {
  const block = Buffer.from('a\r\nb\r\n');
  expect(new CrlfLines().convert(block)).toBe(block);
});
