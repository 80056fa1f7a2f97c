import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMAND_WORDS, PARAMETER_WORDS, ReferenceCore, WasmCore } from '../../bindings/core.ts';
import { checkDataReaders, DisagreementError } from '../../bench/micro/agreement.ts';
import { BestCommands } from '../../bench/micro/best-commands.ts';
import { BestData } from '../../bench/micro/best-data.ts';
import { BestHeaders } from '../../bench/micro/best-headers.ts';
import type { DataReader } from '../../bench/micro/contestant.ts';
import { CoreData, CoreHeaders } from '../../bench/micro/core-contestants.ts';
import { Field } from '../../bench/micro/paths.ts';
import { makeCommands, makeHeader, makeText, SIZES } from '../../bench/micro/samples.ts';
import { amount } from '../amount.ts';

const reference = new ReferenceCore();

/** Texts in which whatever a reader can get wrong is frequent. */
const lines = (words: readonly string[], most: number): fc.Arbitrary<Buffer> =>
  fc
    .array(fc.constantFrom(...words), { maxLength: most })
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));

const DATA_WORDS = [
  '\r\n',
  '\r',
  '\n',
  '.',
  '..',
  '\r\n.',
  '\0',
  '\xe4',
  '\t',
  'a',
  'text of a line ',
  '.\n',
  'x'.repeat(70),
];

describe('the micro benchmarks', () => {
  test('all contestants give the same answers', async () => {
    await expect(new Field(new WasmCore(), reference).check()).resolves.toBeUndefined();
  });

  test('a contestant that answers differently is found before anything is timed', async () => {
    const deaf: DataReader = {
      name: 'deaf',
      way: 'hears nothing',
      scan: () => 0,
      read: () => ({ content: Buffer.alloc(0) }),
    };
    await expect(checkDataReaders([new BestData(), deaf])).rejects.toThrow(DisagreementError);
  });

  test('the best JavaScript reads mail data as the reference does, wherever the chunks are cut', () => {
    const cut = fc.integer({ min: 1, max: 3_000 });
    fc.assert(
      fc.property(lines(DATA_WORDS, 400), cut, (message, size) => {
        const pieces = Array.from({ length: Math.ceil(message.length / size) }, (_, index) =>
          message.subarray(index * size, (index + 1) * size),
        );
        const core = new CoreData(new ReferenceCore());
        expect(new BestData().read(pieces)).toEqual(core.read(pieces));
      }),
      { numRuns: amount(75, 300), seed: 11 },
    );
  });

  test('the best JavaScript fills the tables of commands as the reference does', () => {
    const words = [
      'MAIL FROM:',
      'RCPT TO:',
      'mail from:',
      '<',
      '>',
      '<>',
      'a',
      'b.c',
      '@',
      'x-y.example',
      '.',
      ' ',
      'SIZE=1',
      '=',
      '\r\n',
      '\n',
      '\r',
      '\0',
      '\xff',
      'NOOP',
      'STARTTLS',
      '-',
    ];
    fc.assert(
      fc.property(lines(words, 80), (chunk) => {
        const best = new BestCommands();
        const count = reference.commands(chunk, 0);
        expect(best.commands(chunk, 0)).toBe(count);
        expect(best.consumed).toBe(reference.consumed);
        const last = (count - 1) * COMMAND_WORDS;
        const used = count === 0 ? 0 : reference.records[last + 10]! + reference.records[last + 11]!;
        expect(best.records.subarray(0, count * COMMAND_WORDS)).toEqual(
          reference.records.subarray(0, count * COMMAND_WORDS),
        );
        expect(best.parameters.subarray(0, used * PARAMETER_WORDS)).toEqual(
          reference.parameters.subarray(0, used * PARAMETER_WORDS),
        );
      }),
      { numRuns: amount(150, 500), seed: 12 },
    );
  });

  test('the best JavaScript indexes headers as the reference does', () => {
    const words = ['Subject', 'received', 'X-Y', ':', ' ', '\t', '\r\n', '\n', 'text', '\r\n ', '\xe4'];
    const core = new CoreHeaders(reference);
    fc.assert(
      fc.property(lines(words, 60), (block) => {
        expect(new BestHeaders().read(block)).toEqual(core.read(block));
      }),
      { numRuns: amount(100, 300), seed: 13 },
    );
  });

  test('samples have the size they are named after and hold whole lines', () => {
    for (const size of SIZES) {
      expect(makeText(size)).toHaveLength(size);
      expect(makeText(size).latin1Slice()).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      expect(makeHeader(size).latin1Slice()).toMatch(/^[^\r\n][^]*\r\n\r\n$/);
      expect(makeCommands(size).latin1Slice()).toMatch(/\r\n$/);
    }
    expect(makeCommands(65_536).length).toBeGreaterThan(65_000);
  });
});
