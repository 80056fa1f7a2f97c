import { describe, expect, it } from 'vitest';
import * as contract from '../../bindings/core/contract.ts';
import { WasmCore } from '../../bindings/core/wasm-core.ts';
import * as layout from '../../core-wasm/layout.ts';
import * as words from '../../core-wasm/words.ts';

type Numbers = Readonly<Record<string, number>>;

/** `bodyOffset` and `BodyOffset` as `BODY_OFFSET`. */
const constantCase = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();

const prefixed = (prefix: string, numbers: Numbers): [string, number][] =>
  Object.entries(numbers).map(([name, value]) => [`${prefix}_${constantCase(name)}`, value]);

describe('numbers that the core and the contract share', () => {
  const written: Numbers = words;
  it.each([
    ...prefixed('COMMAND', contract.CommandWord),
    ...prefixed('VERB', contract.Verb),
    ...prefixed('LINE', contract.CommandFlag),
    ...prefixed('DATA', contract.DataFlag),
    ...prefixed('FIELD', contract.FieldWord),
    ...prefixed('HEADER', contract.HeaderFlag),
    ...prefixed('DNS', contract.DnsWord),
    ...prefixed('RECORD', contract.RecordType),
    ...prefixed('HOST', contract.HostWord),
    ...prefixed('HOST', contract.HostFlag),
  ])('%s is %i in the core too', (name, value) => {
    expect(written[name]).toBe(value);
  });

  it.each([
    'COMMAND_WORDS',
    'PARAMETER_WORDS',
    'FIELD_WORDS',
    'FIELD_FOLDED',
    'MAX_COMMANDS',
    'MAX_PARAMETERS',
    'MAX_HEADER_OCTETS',
    'MAX_HEADER_FIELDS',
    'DNS_WORDS',
    'DNS_MALFORMED',
    'MAX_DNS_RECORDS',
    'HOST_WORDS',
    'MAX_HOSTS',
    'MAX_HOST_RUN',
  ] as const)('%s is the same in both', (name) => {
    expect(words[name]).toBe(contract[name]);
  });

  it('agree on the window, and on fields without a number of their own', () => {
    expect(layout.WINDOW).toBe(contract.WINDOW);
    expect(layout.MAX_DNS_OCTETS).toBe(contract.MAX_DNS_OCTETS);
    expect(words.FIELD_OTHER).toBe(contract.FieldId.Other);
    expect(words.FIELD_MALFORMED).toBe(contract.FieldId.Malformed);
  });
});

describe('memory map', () => {
  const regions: readonly (readonly [string, number, number])[] = [
    ['field names', layout.FIELD_NAMES, layout.MAX_FIELD_NAMES * layout.FIELD_NAME_OCTETS],
    ['field name index', layout.FIELD_NAME_INDEX, 2 * layout.FIELD_NAME_OCTETS],
    ['result', layout.RESULT, layout.RESULT_WORDS * 4],
    ['input with two octets in front', layout.INPUT - 2, 2 + layout.WINDOW + layout.SLACK],
    ['records', layout.RECORDS, words.MAX_COMMANDS * words.COMMAND_WORDS * 4],
    ['parameters', layout.PARAMETERS, words.MAX_PARAMETERS * words.PARAMETER_WORDS * 4],
    ['drops', layout.DROPS, layout.MAX_DROPS * 4],
    // One entry more than indexed: fields beyond the limit are read into it.
    ['fields', layout.FIELDS, (words.MAX_HEADER_FIELDS + 1) * words.FIELD_WORDS * 4],
    ['output and one store behind it', layout.OUTPUT, layout.WINDOW + 16],
    ['header input', layout.HEADER_INPUT, words.MAX_HEADER_OCTETS + layout.SLACK],
    ['DNS input', layout.DNS_INPUT, layout.MAX_DNS_OCTETS + layout.SLACK],
    ['DNS records', layout.DNS_RECORDS, words.MAX_DNS_RECORDS * words.DNS_WORDS * 4],
    ['DNS name table', layout.DNS_NAME_TABLE, layout.MAX_DNS_NAMES * layout.DNS_NAME_WORDS * 4],
    ['DNS names', layout.DNS_NAMES, layout.MAX_DNS_NAMES * layout.MAX_DNS_NAME_TEXT],
    ['host names', layout.HOSTS, words.MAX_HOSTS * words.HOST_WORDS * 4],
    ['slots', layout.SLOTS, layout.SLOT_COUNT * layout.SLOT_OCTETS],
  ];

  it('keeps its regions apart and inside the memory', () => {
    let end = 0;
    for (const [name, start, octets] of regions) {
      expect(start, name).toBeGreaterThanOrEqual(end);
      end = start + octets;
    }
    expect(end).toBeLessThanOrEqual(layout.MEMORY_OCTETS);
    expect(new WasmCore().records.buffer.byteLength).toBe(layout.MEMORY_OCTETS);
  });

  it('has room for a dropped dot in every fourth octet of a window', () => {
    expect(layout.MAX_DROPS).toBe(contract.WINDOW / 4);
  });
});
