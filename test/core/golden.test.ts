import { describe, expect, it } from 'vitest';
import { ReferenceCore, WasmCore, type Core } from '../../bindings/core.ts';
import { crumbCuts, cutPositions } from './cuts.ts';
import { judgeData } from './data-oracle.ts';
import { readSamples } from './golden.ts';
import { observeHeaders } from './observe.ts';
import { cutAt, receiveCommands, receiveData } from './receive.ts';
import { renderCommands, renderData, renderHeaders } from './render.ts';

const cores: readonly Core[] = [new WasmCore(), new ReferenceCore()];

describe.each(cores)('$name core: mail data', (core) => {
  const samples = ['data.md', 'data-smuggling.md', 'data-blocks.md'].flatMap(readSamples);
  describe.each(samples)('$title', ({ input, expected }) => {
    it('whole', () => {
      expect(renderData(receiveData(core, [input]))).toBe(expected);
    });
    it('cut at every octet', () => {
      const whole = receiveData(core, [input]);
      for (const cut of cutPositions(input)) {
        expect(receiveData(core, cutAt(input, [cut])), `cut at ${cut}`).toEqual(whole);
      }
      expect(receiveData(core, cutAt(input, crumbCuts(input))), 'crumbs').toEqual(whole);
    });
    it('as the rules say when written as text searches', () => {
      expect(renderData(judgeData(Buffer.from(input).latin1Slice()))).toBe(expected);
    });
  });
});

describe.each(cores)('$name core: commands', (core) => {
  const samples = ['commands.md', 'commands-envelope.md'].flatMap(readSamples);
  describe.each(samples)('$title', ({ input, expected }) => {
    it('whole', () => {
      expect(renderCommands(receiveCommands(core, [input]), input)).toBe(expected);
    });
    it('cut at every octet', () => {
      for (const cut of cutPositions(input)) {
        const received = receiveCommands(core, cutAt(input, [cut]));
        expect(renderCommands(received, input), `cut at ${cut}`).toBe(expected);
      }
      expect(renderCommands(receiveCommands(core, cutAt(input, crumbCuts(input))), input), 'crumbs').toBe(
        expected,
      );
    });
  });
});

describe.each(cores)('$name core: header', (core) => {
  it.each(readSamples('headers.md'))('$title', ({ input, expected }) => {
    expect(renderHeaders(observeHeaders(core, input), input)).toBe(expected);
  });
});
