import { describe, expect, it } from 'vitest';
import {
  CommandFlag,
  CommandWord,
  COMMAND_WORDS,
  HeaderFlag,
  MAX_COMMANDS,
  MAX_HEADER_FIELDS,
  MAX_HEADER_OCTETS,
  MAX_PARAMETERS,
  ReferenceCore,
  WasmCore,
  WINDOW,
  type Core,
} from '../../bindings/core.ts';
import { observeCommands, observeHeaders } from './observe.ts';
import { receiveCommands, receiveData } from './receive.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const mailWith = (parameters: number): string => `MAIL FROM:<a@b>${' A=1'.repeat(parameters)}\r\n`;
const counts = (core: Core, text: string): number[] =>
  receiveCommands(core, [bytes(text)]).commands.map(({ record }) => record[CommandWord.parameterCount]!);

describe.each([new WasmCore(), new ReferenceCore()])('$name core', (core) => {
  it('returns at most MAX_COMMANDS lines, and the rest on the next call', () => {
    const chunk = bytes('NOOP\r\n'.repeat(MAX_COMMANDS + 72));
    expect(core.commands(chunk, 0)).toBe(MAX_COMMANDS);
    expect(core.consumed).toBe(6 * MAX_COMMANDS);
    expect(core.commands(chunk, core.consumed)).toBe(72);
    expect(core.consumed).toBe(6 * 72);
    expect(core.commands(chunk, chunk.length)).toBe(0);
    expect(core.consumed).toBe(0);
  });

  it('takes as many parameters in one line as the table holds', () => {
    expect(counts(core, mailWith(MAX_PARAMETERS))).toEqual([MAX_PARAMETERS]);
  });

  it('leaves a line with more parameters to the parser of the host', () => {
    const { records } = observeCommands(core, bytes(mailWith(MAX_PARAMETERS + 1)), 0);
    expect(records[0]![CommandWord.flags]! & CommandFlag.Canonical).toBe(0);
    expect(records[0]![CommandWord.path]).toBe(-1);
    expect(records[0]![CommandWord.parameterCount]).toBe(0);
  });

  it('ends a call in front of a line whose parameters find no room any more', () => {
    const first = mailWith(1500);
    const chunk = bytes(first + mailWith(600) + mailWith(3));
    expect(core.commands(chunk, 0)).toBe(1);
    expect(core.consumed).toBe(first.length);
    expect(counts(core, first + mailWith(600) + mailWith(3))).toEqual([1500, 600, 3]);
    expect(counts(core, mailWith(MAX_PARAMETERS) + mailWith(1) + mailWith(0))).toEqual([
      MAX_PARAMETERS,
      1,
      0,
    ]);
    expect(counts(core, mailWith(1) + mailWith(MAX_PARAMETERS + 1) + mailWith(2))).toEqual([1, 0, 2]);
  });

  it('sees one window a call: a line that fills it is complete, one octet more is not', () => {
    const line = (octets: number): Uint8Array => bytes(`${'x'.repeat(octets - 2)}\r\n`);
    expect(core.commands(line(WINDOW), 0)).toBe(1);
    expect(core.consumed).toBe(WINDOW);
    expect(core.commands(line(WINDOW + 1), 0)).toBe(0);
    expect(core.consumed).toBe(0);
    expect(core.commands(line(WINDOW + 1), 1)).toBe(1);
  });

  it('counts positions from `from`, wherever that is', () => {
    for (const from of [1, 100, 2_000, 2_100, 70_000]) {
      const chunk = bytes(`${'\n'.repeat(from)}RCPT TO:<a@b> X=1\r\n`);
      expect(core.commands(chunk, from)).toBe(1);
      expect([...core.records.subarray(0, COMMAND_WORDS - 4)]).toEqual([
        4, 32, 0, 17, 19, 4, 5, 8, 13, 10, 0, 1,
      ]);
      expect([...core.parameters.subarray(0, 4)]).toEqual([14, 15, 16, 17]);
    }
  });

  it('reads data of many windows in one chunk', () => {
    const text = `${'a line of text\r\n'.repeat(20_000)}`;
    const verdict = receiveData(core, [bytes(`${text}.\r\n`)]);
    expect(verdict).toMatchObject({ octets: text.length, longest: 14, end: text.length + 3, flags: 0 });
    expect(verdict.content === text).toBe(true);
  });

  it('keeps the messages of different slots apart', () => {
    const [first, second] = [core.openData(), core.openData()];
    core.data(first, bytes('abc\r'), 0);
    core.data(second, bytes('\xff\n'), 0);
    expect(core.data(first, bytes('\n.\r\n'), 0)).toBe(true);
    expect([core.dataFlags(first), core.dataOctets(first), core.longestLine(first)]).toEqual([0, 5, 3]);
    expect([core.dataFlags(second), core.dataOctets(second), core.longestLine(second)]).toEqual([10, 2, 1]);
    core.closeData(first);
    core.closeData(second);
  });

  it('says at once that data has ended when asked again, and reads nothing', () => {
    const slot = core.openData();
    core.data(slot, bytes('.\r\n'), 0);
    expect(core.data(slot, bytes('more\r\n'), 0)).toBe(true);
    expect([core.consumed, core.contentEnd, core.dropCount, core.dataOctets(slot)]).toEqual([0, 0, 0, 0]);
    core.closeData(slot);
  });

  it('hands every slot out once, then 0; a slot given back is fresh', () => {
    const slots: number[] = [];
    for (let slot = core.openData(); slot !== 0; slot = core.openData()) slots.push(slot);
    expect(slots.length).toBe(32_767);
    expect(new Set(slots).size).toBe(slots.length);
    const last = slots.at(-1)!;
    core.data(last, bytes('\0abc'), 0);
    core.closeData(last);
    core.closeData(last);
    expect(core.openData()).toBe(last);
    expect(core.openData()).toBe(0);
    expect([core.dataFlags(last), core.dataOctets(last), core.longestLine(last)]).toEqual([0, 0, 0]);
    for (const slot of slots) core.closeData(slot);
  });

  it('refuses a slot that is not open: it may serve another message by now', () => {
    const slot = core.openData();
    core.closeData(slot);
    for (const wrong of [slot, 0, -1, 40_000]) {
      expect(() => core.data(wrong, bytes('x'), 0)).toThrow(RangeError);
      expect(() => core.dataOctets(wrong)).toThrow(RangeError);
    }
  });

  it('indexes MAX_HEADER_FIELDS fields and still finds the body after more', () => {
    const block = bytes(`${'A: b\r\n'.repeat(MAX_HEADER_FIELDS + 1)}no field\r\n\r\n`);
    const { fields, bodyOffset, flags } = observeHeaders(core, block);
    expect(fields.length).toBe(MAX_HEADER_FIELDS);
    expect(bodyOffset).toBe(block.length - 2);
    expect(flags).toBe(HeaderFlag.TooManyFields | HeaderFlag.Malformed);
    expect(observeHeaders(core, bytes(`${'A: b\r\n'.repeat(MAX_HEADER_FIELDS)}\r\n`)).flags).toBe(0);
  });

  it('looks at MAX_HEADER_OCTETS octets of a header and no more', () => {
    const padding = (octets: number): string => `A: ${'x'.repeat(octets - 5)}\r\n`;
    const fits = observeHeaders(core, bytes(`${padding(MAX_HEADER_OCTETS - 2)}\r\nbody`));
    expect([fits.bodyOffset, fits.flags]).toEqual([MAX_HEADER_OCTETS - 2, 0]);
    const exceeds = observeHeaders(core, bytes(`${padding(MAX_HEADER_OCTETS - 1)}\r\nbody`));
    expect([exceeds.bodyOffset, exceeds.flags]).toEqual([-1, HeaderFlag.Unfinished | HeaderFlag.Malformed]);
    const huge = observeHeaders(core, bytes('B'.repeat(MAX_HEADER_OCTETS + 70_000)));
    expect(huge.fields).toEqual([[0, 0, 0, MAX_HEADER_OCTETS, 255, MAX_HEADER_OCTETS]]);
  });

  it('finds the body of a header longer than its first look', () => {
    for (const octets of [8_188, 8_189, 8_190, 8_191, 8_192, 8_193]) {
      const { bodyOffset, flags } = observeHeaders(
        core,
        bytes(`A: ${'x'.repeat(octets - 5)}\r\n\r\nbody\r\n`),
      );
      expect([bodyOffset, flags]).toEqual([octets, 0]);
    }
  });

  it('folds CRLF to LF and nothing else, over windows too', () => {
    const fold = (text: string): string => core.toLf(bytes(text)).latin1Slice();
    expect(fold('')).toBe('');
    expect(fold('a\r\nb\r\r\n\rc\n\r\n\r')).toBe('a\nb\r\n\rc\n\n\r');
    for (const before of [65_534, 65_535, 65_536]) {
      expect(
        fold(`${'x'.repeat(before)}\r\n${'y'.repeat(70_000)}\r`) ===
          `${'x'.repeat(before)}\n${'y'.repeat(70_000)}\r`,
      ).toBe(true);
    }
    expect(fold('\r\n'.repeat(100_000)) === '\n'.repeat(100_000)).toBe(true);
  });

  it('gives line ends folded in memory of its own', () => {
    const first = core.toLf(bytes('a\r\n'));
    core.toLf(bytes('b\r\n'));
    expect(first.latin1Slice()).toBe('a\n');
  });
});
