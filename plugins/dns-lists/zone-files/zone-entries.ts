/** Entries of zone files, by format. */

import { MAX_NAME } from '../../../bindings/wire/dns-name.ts';
import { canonicalDomain } from '../../../bindings/wire/domain-name.ts';
import { EXCLUDED, type AnswerPool } from './answers.ts';
import { IntervalBuilder, type IntervalTable } from './interval-table.ts';
import { readIpv6 } from './ip-words.ts';
import { NameBuilder, type NameTable } from './name-table.ts';
import { PrefixBuilder, type PrefixTable } from './prefix-table.ts';

/** Formats of rbldnsd that are read. */
export const ZONE_FORMATS = ['ip4set', 'ip4trie', 'ip6trie', 'ip6tset', 'dnset'] as const;
export type ZoneFormat = (typeof ZONE_FORMATS)[number];

/** By kind of subject. */
export type ZoneTable =
  | { readonly kind: 'intervals'; readonly table: IntervalTable }
  | { readonly kind: 'ipv4'; readonly tables: readonly PrefixTable[] }
  | { readonly kind: 'ipv6'; readonly tables: readonly PrefixTable[] }
  | { readonly kind: 'names'; readonly table: NameTable };

/** Hears of a line that can't be read. */
export type Reject = (line: number, problem: string) => void;

/** Where entries of one format gather. */
export interface EntryReader {
  /** What begins a line of this format, up to its value: the entry in the first group, then the value. */
  readonly pattern: RegExp;
  /** Where true, entries have no value of their own: the first default counts for all, wherever it stands. */
  readonly isPlain?: boolean;
  /** Answers why the entry can't be kept; undefined if it was. */
  add(entry: string, answer: number, line: number): string | undefined;
  finish(answers: AnswerPool, reject: Reject): ZoneTable;
}

/** After an address comes a blank, a value, a comment or nothing. */
const IPV4_ENTRY = /^([\d./-]+)((?:[ \t:#;].*)?)$/s;
/** A colon would go on with the address. */
const IPV6_ENTRY = /^([\da-f:]+(?:\/\d+)?)((?:[ \t#;].*)?)$/is;
const NAME_ENTRY = /^(\S+)(.*)$/s;

const NO_ADDRESS = 'no address, network or range';
const NOT_AT_START = 'the address is not the first one of its network';

interface Ipv4Prefix {
  readonly octets: number;
  readonly first: number;
  readonly last: number;
}

/** One to four octets. */
function ipv4Prefix(text: string): Ipv4Prefix | undefined {
  let first = 0;
  let octets = 0;
  for (let at = 0; at <= text.length; at++, octets++) {
    let octet = -1;
    for (let digit; at < text.length && (digit = text.charCodeAt(at) - 0x30) >= 0 && digit <= 9; at++)
      octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet < 0 || octet > 255 || octets === 4 || (at < text.length && text[at] !== '.')) return undefined;
    first = first * 256 + octet;
  }
  const unit = 256 ** (4 - octets);
  return { octets, first: first * unit, last: (first + 1) * unit - 1 };
}

function ipv4Network(address: string, bits: string): Ipv4Prefix | string {
  const prefix = ipv4Prefix(address);
  const length = Number(bits);
  if (prefix === undefined || !/^\d+$/.test(bits) || length > 32) return NO_ADDRESS;
  const size = 2 ** (32 - length);
  if (prefix.first % size !== 0) return NOT_AT_START;
  return { octets: prefix.octets, first: prefix.first, last: prefix.first + size - 1 };
}

/** The two ends have as many octets, or the second one alone: the last octet of the first, exchanged. */
function ipv4Range(from: string, to: string): Ipv4Prefix | string {
  const start = ipv4Prefix(from);
  const isLastOctet = !to.includes('.');
  const end = ipv4Prefix(isLastOctet ? from.replace(/\d+$/, to) : to);
  if (start === undefined || end === undefined || start.octets !== end.octets) return NO_ADDRESS;
  if (end.first < start.first) return 'the range ends before it begins';
  return { octets: start.octets, first: start.first, last: end.last };
}

function ipv4Span(entry: string): Ipv4Prefix | string {
  const separator = entry.search(/[/-]/);
  if (separator < 0) return ipv4Prefix(entry) ?? NO_ADDRESS;
  const [start, rest] = [entry.slice(0, separator), entry.slice(separator + 1)];
  return entry[separator] === '/' ? ipv4Network(start, rest) : ipv4Range(start, rest);
}

/** `maxSize`: addresses of the largest range that is taken, as `$MAXRANGE4` has it. */
export class Ip4setReader implements EntryReader {
  readonly pattern = IPV4_ENTRY;
  readonly #builder = new IntervalBuilder();
  readonly #maxSize: () => number;

  constructor(maxSize: () => number) {
    this.#maxSize = maxSize;
  }

  add(entry: string, answer: number, line: number): string | undefined {
    const span = ipv4Span(entry);
    if (typeof span === 'string') return span;
    // A slip such as `0/0` would list the whole Internet.
    if (/\/0+$/.test(entry)) return 'a network of no bits is everything: write the range if that is meant';
    if (span.last - span.first >= this.#maxSize()) return TOO_LARGE;
    this.#builder.add(span.first, span.last, answer, line);
    return undefined;
  }

  finish(answers: AnswerPool, reject: Reject): ZoneTable {
    return { kind: 'intervals', table: this.#builder.finish(answers, reject) };
  }
}

const TOO_LARGE = 'the range is larger than $MAXRANGE4 allows';

export class Ip4trieReader implements EntryReader {
  readonly pattern = IPV4_ENTRY;
  readonly #builder = new PrefixBuilder(1);
  readonly #maxSize: () => number;

  constructor(maxSize: () => number) {
    this.#maxSize = maxSize;
  }

  add(entry: string, answer: number, line: number): string | undefined {
    if (entry.includes('-')) return 'ip4trie has networks, no ranges';
    const span = ipv4Span(entry);
    if (typeof span === 'string') return span;
    if (span.octets === 1 && !entry.includes('/')) return 'a single number is no address: write /8 after it';
    const size = span.last - span.first + 1;
    if (size > this.#maxSize()) return TOO_LARGE;
    this.#builder.add([span.first], 32 - Math.log2(size), answer, line);
    return undefined;
  }

  finish(answers: AnswerPool, reject: Reject): ZoneTable {
    return { kind: 'ipv4', tables: [this.#builder.finish(answers, reject)] };
  }
}

/** Networks of up to 64 bits need half the memory. */
class Ipv6Networks {
  readonly #long = new PrefixBuilder(4);
  readonly #short = new PrefixBuilder(2);

  add(words: Uint32Array, bits: number, answer: number, line: number): void {
    (bits > 64 ? this.#long : this.#short).add(words, bits, answer, line);
  }

  finish(answers: AnswerPool, reject: Reject): ZoneTable {
    const builders = [this.#long, this.#short].filter(({ size }) => size > 0);
    return { kind: 'ipv6', tables: builders.map((builder) => builder.finish(answers, reject)) };
  }
}

const words = new Uint32Array(4);

function isZeroFrom(bits: number): boolean {
  return words.every((word, index) => {
    const own = Math.min(32, Math.max(0, bits - index * 32));
    return own === 32 || (own === 0 ? word : word << own) === 0;
  });
}

export class Ip6trieReader implements EntryReader {
  readonly pattern = IPV6_ENTRY;
  readonly #networks = new Ipv6Networks();

  add(entry: string, answer: number, line: number): string | undefined {
    const [address = '', length] = entry.split('/');
    const groups = readIpv6(address, words);
    if (groups === 0) return NO_ADDRESS;
    if (groups === 1 && length === undefined) return 'a single group is no address: write /16 after it';
    const bits = length === undefined ? groups * 16 : Number(length);
    if (bits > 128) return NO_ADDRESS;
    if (!isZeroFrom(bits)) return NOT_AT_START;
    this.#networks.add(words, bits, answer, line);
    return undefined;
  }

  finish(answers: AnswerPool, reject: Reject): ZoneTable {
    return this.#networks.finish(answers, reject);
  }
}

/** Networks of 64 bits, and single addresses that are not meant. */
export class Ip6tsetReader implements EntryReader {
  readonly pattern = IPV6_ENTRY;
  readonly isPlain = true;
  readonly #networks = new Ipv6Networks();

  add(entry: string, answer: number, line: number): string | undefined {
    const groups = entry.includes('/') ? 0 : readIpv6(entry, words);
    const isExcluded = answer === EXCLUDED;
    if (groups !== (isExcluded ? 8 : 4))
      return isExcluded
        ? 'an exclusion of an ip6tset is a whole address'
        : 'an entry of an ip6tset is a network of 64 bits, written as four groups';
    this.#networks.add(words, isExcluded ? 128 : 64, answer, line);
    return undefined;
  }

  /** To say the same twice is fine here. */
  finish(answers: AnswerPool): ZoneTable {
    return this.#networks.finish(answers, () => undefined);
  }
}

const LABELS = /^(?![^.]{64}|.*\.[^.]{64})[^.\\]+(?:\.[^.\\]+)*$/;

export class DnsetReader implements EntryReader {
  readonly pattern = NAME_ENTRY;
  readonly #builder: NameBuilder;
  readonly #answers: AnswerPool;

  constructor(seed: number, answers: AnswerPool) {
    this.#builder = new NameBuilder(seed);
    this.#answers = answers;
  }

  add(entry: string, answer: number): string | undefined {
    const isBelow = entry.startsWith('*.');
    const isBoth = entry.startsWith('.');
    const text = isBelow ? entry.slice(2) : isBoth ? entry.slice(1) : entry;
    const name = nameOf(text);
    if (name === undefined) return 'no domain, `*.domain` or `.domain`';
    this.#builder.add(name, { own: !isBelow, below: isBelow || isBoth }, answer, this.#answers);
    return undefined;
  }

  finish(answers: AnswerPool): ZoneTable {
    return { kind: 'names', table: this.#builder.finish(answers) };
  }
}

/** As it is asked for: lower case, A-labels (the file is in UTF-8), no root dot. */
function nameOf(text: string): string | undefined {
  const isAscii = /^[!-~]+$/.test(text);
  const name = isAscii
    ? text.replace(/\.$/, '').toLowerCase()
    : canonicalDomain(Buffer.from(text, 'latin1').toString('utf8'));
  if (name === undefined || name.length > MAX_NAME || name === '*') return undefined;
  return LABELS.test(name) ? name : undefined;
}
