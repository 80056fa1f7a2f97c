import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadCore } from '../../bindings/core.ts';
import { DotStuffing, StrayLineEnd, stuffedWhole } from '../../bindings/wire/dot-stuffing.ts';

const { core } = loadCore();

function stuffed(text: string, cuts: readonly number[]): Buffer {
  const octets = Buffer.from(text, 'latin1');
  const stuffing = new DotStuffing();
  const pieces: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts.map((at) => at % (octets.length + 1)).sort((a, b) => a - b), octets.length]) {
    pieces.push(...stuffing.stuff(octets.subarray(from, cut)));
    from = cut;
  }
  return Buffer.concat([...pieces, stuffing.end()]);
}

/** What the daemon makes of the octets when it reads them as mail data. */
function unstuffed(octets: Buffer): { content: string; isEnd: boolean; consumed: number } {
  const slot = core.openData();
  try {
    const isEnd = core.data(slot, octets, 0);
    let content = '';
    let start = 0;
    for (let index = 0; index < core.dropCount; index++) {
      content += octets.latin1Slice(start, core.drops[index]);
      start = core.drops[index]! + 1;
    }
    content += octets.latin1Slice(start, core.contentEnd);
    return { content, isEnd, consumed: core.consumed };
  } finally {
    core.closeData(slot);
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 5 });

test('lines of any kind, cut anywhere, come out of the core as they went in', () => {
  const line = fc
    .array(fc.constantFrom('.', '..', 'a', ' ', '\u00ff', '\0', 'From '), { maxLength: 5 })
    .map((words) => words.join(''));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), fc.boolean(), cuts, (lines, hasEnd, where) => {
      const text = lines.map((each) => `${each}\r\n`).join('') + (hasEnd ? '' : 'x');
      const octets = stuffed(text, where);
      expect(unstuffed(octets)).toEqual({
        content: hasEnd ? text : `${text}\r\n`,
        isEnd: true,
        consumed: octets.length,
      });
    }),
  );
});

test('octets of any kind: refused, or the end of data is where we end it for every reader of line ends', () => {
  const octet = fc.constantFrom('.', '\r', '\n', '\r\n', 'a');
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 30 }), cuts, (octets, where) => {
      let sent: string;
      try {
        sent = stuffed(octets.join(''), where).latin1Slice();
      } catch (cause) {
        expect(cause).toBeInstanceOf(StrayLineEnd);
        return;
      }
      // Whatever a reader takes for a line end, a dot alone on a line occurs at the end only.
      const lenient = sent.split(/\r\n|\r|\n/);
      expect(lenient.indexOf('.')).toBe(lenient.length - 2);
    }),
    { numRuns: 2_000 },
  );
});

test('blocks without dots are passed on as they are, not copied', () => {
  const block = Buffer.from('Subject: x\r\n\r\nabc\r\n');
  expect(new DotStuffing().stuff(block)[0]).toBe(block);
});

test('a content in one buffer is the same as one that goes out block by block', () => {
  const octet = fc.constantFrom('.', '\r\n', 'a', '\r\n.', '\r', '\n');
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 60 }), cuts, (octets, where) => {
      const text = octets.join('');
      const all = Buffer.from(text, 'latin1');
      const ends = [...where.map((at) => at % (all.length + 1)).sort((a, b) => a - b), all.length];
      const blocks = ends.map((end, index) => all.subarray(ends[index - 1] ?? 0, end));
      const attempt = (make: () => Buffer): string => {
        try {
          return make().latin1Slice();
        } catch (cause) {
          return (cause as Error).message;
        }
      };
      expect(attempt(() => stuffedWhole(blocks))).toBe(attempt(() => stuffed(text, where)));
    }),
    { numRuns: 2_000 },
  );
});
