import { describe, expect, it } from 'vitest';
import {
  HOSTS_BEGIN,
  HostWord,
  HOST_WORDS,
  MAX_HOSTS,
  MAX_HOST_RUN,
  ReferenceCore,
  WasmCore,
  WINDOW,
  type Core,
} from '../../bindings/core.ts';
import { crumbCuts, cutPositions } from './cuts.ts';
import { readSamples } from './golden.ts';
import { observeHosts } from './observe.ts';
import { cutAt, receiveHosts } from './receive.ts';
import { renderHosts } from './render.ts';

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe.each([new WasmCore(), new ReferenceCore()] as readonly Core[])('$name core: host names', (core) => {
  describe.each(readSamples('hosts.md'))('$title', ({ input, expected }) => {
    it('whole', () => {
      expect(renderHosts(core, [input])).toBe(expected);
    });
    it('cut at every octet', () => {
      for (const cut of cutPositions(input)) {
        expect(renderHosts(core, cutAt(input, [cut])), `cut at ${cut}`).toBe(expected);
      }
      expect(renderHosts(core, cutAt(input, crumbCuts(input))), 'crumbs').toBe(expected);
    });
  });

  it('returns at most MAX_HOSTS names, and the rest on the next call', () => {
    const text = octets('a.b '.repeat(MAX_HOSTS + 72));
    const first = observeHosts(core, text, 0, HOSTS_BEGIN, true);
    expect(first).toMatchObject({ consumed: 4 * MAX_HOSTS, state: HOSTS_BEGIN });
    expect(first.records).toHaveLength(MAX_HOSTS);
    expect(observeHosts(core, text, first.consumed, first.state, true).records).toHaveLength(72);
    expect(receiveHosts(core, [text])).toHaveLength(MAX_HOSTS + 72);
  });

  it('also where the next one would be an address between brackets, or a piece of a long run', () => {
    for (const last of ['//[::1]', `\xff.\xff${'x'.repeat(MAX_HOST_RUN)}`]) {
      const found = receiveHosts(core, [octets('a.b '.repeat(MAX_HOSTS) + last)]);
      expect(found).toHaveLength(MAX_HOSTS + 1);
    }
  });

  it('sees one window a call, and the end of the text only where it is', () => {
    const text = octets(`${' '.repeat(WINDOW - 3)}a.bc.d`);
    const first = observeHosts(core, text, 0, HOSTS_BEGIN, true);
    expect(first).toEqual({ records: [], consumed: WINDOW - 3, state: HOSTS_BEGIN });
    expect(observeHosts(core, text, first.consumed, first.state, true).records).toEqual([[0, 6, 0]]);
  });

  it('counts positions from `from`, wherever that is', () => {
    for (const from of [1, 100, 2_000, 2_100, 70_000]) {
      const text = octets(`${'x'.repeat(from)} a.example `);
      expect(core.hosts(text, from, HOSTS_BEGIN, true)).toBe(1);
      expect(core.hostRecords[HostWord.from]).toBe(1);
      expect(core.hostRecords[HostWord.to]).toBe(10);
    }
    expect(core.hostRecords).toHaveLength(MAX_HOSTS * HOST_WORDS);
  });

  it('nothing is found in nothing', () => {
    expect(observeHosts(core, octets(''), 0, HOSTS_BEGIN, true)).toEqual({
      records: [],
      consumed: 0,
      state: HOSTS_BEGIN,
    });
  });
});
