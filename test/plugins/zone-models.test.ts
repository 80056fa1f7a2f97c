/** Zone files against models that are as simple as the manual of rbldnsd: a list of entries, looked through for each question. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ZoneFormat } from '../../plugins/dns-lists/zone-files/zone-entries.ts';
import { readZone } from '../../plugins/dns-lists/zone-files/zone-parser.ts';
import { Zone } from '../../plugins/dns-lists/zone-files/zone.ts';
import { amount } from '../amount.ts';

interface Entry {
  readonly text: string;
  readonly isExcluded: boolean;
  /** The last octet of the code. */
  readonly code: number;
}

const lineOf = ({ code, isExcluded, text }: Entry): string =>
  isExcluded ? `!${text}` : `${text} :${code}:text ${code}`;

function zoneOf(format: ZoneFormat, entries: readonly Entry[]): Zone {
  const files = [Buffer.from(entries.map(lineOf).join('\n'))];
  return new Zone(readZone({ files, format, nowMs: 0, seed: 99 }).zone!);
}

const codesOf = (zone: Zone, subject: string): readonly string[] =>
  [...(zone.find(subject)?.codes ?? [])].sort();

/** What entries say that hold at the same time. */
function answerOf(entries: readonly Entry[]): readonly string[] {
  if (entries.some(({ isExcluded }) => isExcluded)) return [];
  return [...new Set(entries.map(({ code }) => `127.0.0.${code}`))].sort();
}

const value = fc.record({
  isExcluded: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
  code: fc.integer({ min: 2, max: 6 }),
});
const withValue = <T>(place: fc.Arbitrary<T>) =>
  fc.tuple(place, value).map(([own, shared]) => ({ ...own, ...shared }));

/** Few, so that networks meet. */
const octet = fc.constantFrom<number[]>(0, 1, 2, 63, 64, 127, 128, 254, 255);
const ipv4 = fc
  .tuple(octet, octet, octet, octet)
  .map((octets) => octets.reduce((sum, each) => sum * 256 + each, 0));
const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

interface Range {
  readonly first: number;
  readonly last: number;
}

const networkOf = (address: number, bits: number): Range => {
  const size = 2 ** (32 - bits);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
};

const bits4 = fc.integer({ min: 1, max: 32 });
const network4 = fc.tuple(ipv4, bits4).map(([address, bits]) => {
  const network = networkOf(address, bits);
  return { ...network, bits, text: `${dotted(network.first)}/${bits}` };
});
const range4 = fc.tuple(ipv4, ipv4).map(([one, other]) => {
  const [first, last] = [Math.min(one, other), Math.max(one, other)];
  return { first, last, text: `${dotted(first)}-${dotted(last)}` };
});

/** The largest network of whole octets around the address that lies within the range: 8 to 32 bits; undefined if none does. */
function octetBits({ first, last }: Range, address: number): number | undefined {
  return [8, 16, 24, 32].find((bits) => {
    const network = networkOf(address, bits);
    return network.first >= first && network.last <= last;
  });
}

/** Ends of ranges and their neighbours are where faults are. */
const probesOf = (ranges: readonly Range[], others: readonly number[]): readonly number[] => [
  ...others,
  ...ranges
    .flatMap(({ first, last }) => [first - 1, first, last, last + 1])
    .filter((at) => at >= 0 && at < 2 ** 32),
];

test('ip4set: the smallest network of whole octets answers, all its entries together', () => {
  const entries = fc.array(withValue(fc.oneof<fc.Arbitrary<Range & { text: string }>[]>(network4, range4)), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(entries, fc.array(ipv4, { maxLength: 20 }), (list, others) => {
      const zone = zoneOf('ip4set', list);
      for (const address of probesOf(list, others)) {
        const covering = list.map((entry) => ({ entry, bits: octetBits(entry, address) ?? 0 }));
        const smallest = Math.max(1, ...covering.map(({ bits }) => bits));
        const said = covering.filter(({ bits }) => bits === smallest).map(({ entry }) => entry);
        expect(codesOf(zone, dotted(address)), dotted(address)).toEqual(answerOf(said));
      }
    }),
    { numRuns: amount(60, 5_000) },
  );
});

test('ip4set: many networks, by the shortcut', () => {
  const entries: (Entry & Range)[] = [];
  const random = fc.sample(
    fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 12, max: 32 })),
    6_000,
  );
  for (const [index, [address, bits]] of random.entries()) {
    const network = networkOf(address, bits);
    entries.push({
      ...network,
      text: `${dotted(network.first)}/${bits}`,
      isExcluded: index % 9 === 0,
      code: 2 + (index % 5),
    });
  }
  const zone = zoneOf('ip4set', entries);
  for (const probe of probesOf(entries.slice(0, 50), [0, 2 ** 32 - 1])) {
    const covering = entries.map((entry) => ({ entry, bits: octetBits(entry, probe) ?? 0 }));
    const smallest = Math.max(1, ...covering.map(({ bits }) => bits));
    const said = covering.filter(({ bits }) => bits === smallest).map(({ entry }) => entry);
    expect(codesOf(zone, dotted(probe)), dotted(probe)).toEqual(answerOf(said));
  }
});

test('ip4trie: the smallest network answers, of several lines for it the first', () => {
  fc.assert(
    fc.property(
      fc.array(withValue(network4), { minLength: 1, maxLength: 40 }),
      fc.array(ipv4),
      (list, others) => {
        const zone = zoneOf('ip4trie', list);
        for (const address of probesOf(list, others)) {
          const around = list.filter(({ first, last }) => first <= address && address <= last);
          const longest = Math.max(...around.map(({ bits }) => bits));
          const said = around.filter(({ bits }) => bits === longest).slice(0, 1);
          expect(codesOf(zone, dotted(address)), dotted(address)).toEqual(answerOf(said));
        }
      },
    ),
    { numRuns: amount(60, 5_000) },
  );
});

const group = fc.constantFrom(0, 1, 0xdb8, 0x2001, 0x8000, 0xffff);
const ipv6 = fc
  .tuple(group, group, group, group, group, group, group, group)
  .map((groups) => groups.reduce((sum, each) => (sum << 16n) | BigInt(each), 0n));

/** With `::` for the first two zeros or more in a row, or without. */
function colons(address: bigint, isShort: boolean): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((address >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  const text = groups.join(':');
  return isShort ? text.replace(/(?:^|:)0(?::0)+(?::|$)/, '::') : text;
}

const network6 = fc
  .tuple(ipv6, fc.integer({ min: 0, max: 128 }), fc.boolean())
  .map(([address, bits, isShort]) => {
    const rest = BigInt(128 - bits);
    const first = (address >> rest) << rest;
    return { first, last: first | ((1n << rest) - 1n), bits, text: `${colons(first, isShort)}/${bits}` };
  });

test('ip6trie: the smallest network answers, of several lines for it the first', () => {
  fc.assert(
    fc.property(
      fc.array(withValue(network6), { minLength: 1, maxLength: 30 }),
      fc.array(fc.tuple(ipv6, fc.boolean()), { maxLength: 20 }),
      (list, others) => {
        const zone = zoneOf('ip6trie', list);
        const edges = list
          .flatMap(({ first, last }) => [first - 1n, first, last, last + 1n])
          .filter((at) => at >= 0n && at < 1n << 128n)
          .map((at) => [at, true] as const);
        for (const [address, isShort] of [...others, ...edges]) {
          const around = list.filter(({ first, last }) => first <= address && address <= last);
          const longest = Math.max(...around.map(({ bits }) => bits));
          const said = around.filter(({ bits }) => bits === longest).slice(0, 1);
          const text = colons(address, isShort);
          expect(codesOf(zone, text), text).toEqual(answerOf(said));
        }
      },
    ),
    { numRuns: amount(60, 5_000) },
  );
});

const label = fc.constantFrom('a', 'b', 'co', 'www', 'x-y', '_dmarc', 'xn--p1ai');
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const domain = fc
  .tuple(name, fc.constantFrom('', '.', '*.'))
  .map(([own, star]) => ({ name: own, star, text: `${star}${own}` }));

test('dnset: the name itself counts first, then the nearest domain above it', () => {
  fc.assert(
    fc.property(
      fc.array(withValue(domain), { minLength: 1, maxLength: 30 }),
      fc.array(name),
      (list, others) => {
        const zone = zoneOf('dnset', list);
        for (const subject of [...others, ...list.flatMap((entry) => [entry.name, `z.${entry.name}`])]) {
          const own = list.filter((entry) => entry.star !== '*.' && entry.name === subject);
          const above = list.filter((entry) => entry.star !== '' && subject.endsWith(`.${entry.name}`));
          const nearest = Math.max(...above.map((entry) => entry.name.length));
          const said = own.length > 0 ? own : above.filter((entry) => entry.name.length === nearest);
          expect(codesOf(zone, subject), subject).toEqual(answerOf(said));
        }
      },
    ),
    { numRuns: amount(100, 5_000) },
  );
});

test('whatever stands in a file, it is read to the end, and questions have answers', () => {
  const formats: readonly ZoneFormat[] = ['ip4set', 'ip4trie', 'ip6trie', 'ip6tset', 'dnset'];
  const piece = fc.constantFrom(
    '1',
    '255',
    '.',
    ':',
    '::',
    '/',
    '-',
    '!',
    '$',
    '*',
    ' ',
    '\n',
    '\r',
    ':2:',
    'a',
    '2001',
    '$=',
    '$1 ',
    '\0',
    'é',
    '#',
    ';',
    '64',
    '127.0.0.',
  );
  const text = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.constantFrom(...formats), fc.oneof(text, fc.string()), (format, content) => {
      const { entries, leftOut, zone } = readZone({
        files: [Buffer.from(content)],
        format,
        nowMs: 0,
        seed: 1,
      });
      expect(entries + leftOut).toBeLessThanOrEqual(content.split('\n').length);
      for (const subject of ['1.255.1.1', '2001::1', '::', 'a', '', content]) {
        const entry = zone && new Zone(zone).find(subject);
        if (entry !== undefined)
          expect([entry.codes.length > 0, typeof entry.text()]).toEqual([
            true,
            expect.stringMatching(/string|undefined/),
          ]);
      }
    }),
    { numRuns: amount(400, 50_000) },
  );
});
