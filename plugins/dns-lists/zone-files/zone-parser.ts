/** Reads zone files as rbldnsd does: its manual page, rbldnsd(8), is the format. */

import { AnswerPool, EXCLUDED, PLAIN, type AnswerTable } from './answers.ts';
import { MAX_TEXT, type TextVariables } from './text-template.ts';
import { readTimestamp } from './timestamps.ts';
import {
  DnsetReader,
  Ip4setReader,
  Ip4trieReader,
  Ip6trieReader,
  Ip6tsetReader,
  type EntryReader,
  type ZoneFormat,
  type ZoneTable,
} from './zone-entries.ts';

/** All of a zone, ready to be asked. Arrays are shared with other threads. */
export interface ZoneData {
  readonly table: ZoneTable;
  readonly answers: AnswerTable;
  readonly variables: TextVariables;
  /** When its data are too old to be believed, in milliseconds since the epoch. */
  readonly expiresAtMs: number | undefined;
}

export interface ZoneProblem {
  /** Which of the files, from 0. */
  readonly file: number;
  readonly line: number;
  readonly text: string;
}

export interface ZoneReading {
  /** Undefined if the files are no zone: `problems` has the reason. */
  readonly zone: ZoneData | undefined;
  readonly entries: number;
  /** The first ones. */
  readonly problems: readonly ZoneProblem[];
  /** Lines that were left out. */
  readonly leftOut: number;
}

export interface ZoneSource {
  readonly files: readonly Uint8Array[];
  readonly format: ZoneFormat;
  readonly nowMs: number;
  /** A number of 32 bits that nobody outside can know. */
  readonly seed: number;
}

/** rbldnsd names as many. */
const MAX_PROBLEMS = 5;
const LF = 10;
const BLANKS = /^[ \t]+|[ \t\r]+$/g;
/** Also in what other programs take for a comment or a value. */
const SPECIAL = /^[#;:]?\$(.*)$/s;
const CODE = /^:[ \t]*(?!$)(\d+(?:\.\d+)*)[ \t]*(?:(:)(.*))?$/s;
const ALL_ADDRESSES = 2 ** 32;

interface Value {
  readonly code: readonly number[];
  readonly text: string | undefined;
}

const FIRST_DEFAULT: Value = { code: [0, 0, 2], text: undefined };

/** The file is not to be believed as a whole. */
class Unusable extends Error {}

export function readZone(source: ZoneSource): ZoneReading {
  return new ZoneParser(source).read();
}

class ZoneParser {
  readonly #source: ZoneSource;
  readonly #answers: AnswerPool;
  readonly #reader: EntryReader;
  readonly #digits: (string | undefined)[] = Array.from({ length: 10 });
  #base: string | undefined;
  #expiresAtMs: number | undefined;
  #maxSize = ALL_ADDRESSES;
  readonly #problems: ZoneProblem[] = [];
  #leftOut = 0;
  #entries = 0;
  #file = 0;
  /** The number of each file's first line, among the lines of all. */
  readonly #firstLines: number[] = [];
  #line = 0;
  #default: Value = FIRST_DEFAULT;
  #defaultAnswer = 0;
  #firstDefault: number | undefined;

  constructor(source: ZoneSource) {
    this.#source = source;
    this.#answers = new AnswerPool(source.seed);
    this.#reader = readerOf(source, this.#answers, () => this.#maxSize);
  }

  read(): ZoneReading {
    try {
      for (const octets of this.#source.files) this.#readFile(octets);
    } catch (cause) {
      if (!(cause instanceof Unusable)) throw cause;
      const problem = { ...this.#placeOf(this.#line), text: cause.message };
      return { zone: undefined, entries: 0, problems: [problem], leftOut: 0 };
    }
    this.#answers.plain = this.#firstDefault ?? this.#defaultAnswer;
    const refused = new Set<number>();
    const table = this.#reader.finish(this.#answers, (line, text) => {
      if (refused.has(line)) return;
      refused.add(line);
      this.#reject(line, text);
    });
    this.#entries -= refused.size;
    const zone: ZoneData = {
      table,
      answers: this.#answers.finish(),
      variables: { digits: this.#digits, base: this.#base },
      expiresAtMs: this.#expiresAtMs,
    };
    const isEmpty = this.#entries === 0 && this.#leftOut > 0;
    return {
      zone: isEmpty ? undefined : zone,
      entries: this.#entries,
      problems: this.#problems,
      leftOut: this.#leftOut,
    };
  }

  #readFile(octets: Uint8Array): void {
    const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
    this.#firstLines.push(this.#line + 1);
    this.#setDefault(FIRST_DEFAULT);
    for (let start = 0; start < buffer.length;) {
      const lineEnd = buffer.indexOf(LF, start);
      const end = lineEnd < 0 ? buffer.length : lineEnd;
      this.#line++;
      const problem = this.#readLine(buffer.latin1Slice(start, end).replace(BLANKS, ''));
      if (problem !== undefined) this.#reject(this.#line, problem);
      start = end + 1;
    }
  }

  /** Answers what is wrong with the line. */
  #readLine(line: string): string | undefined {
    const first = line[0];
    if (first === undefined) return undefined;
    const special = SPECIAL.exec(line)?.[1];
    if (special !== undefined) return this.#readSpecial(special);
    if (first === '#' || first === ';') return undefined;
    // `::1` is an address.
    if (first === ':' && !(line[1] === ':' && this.#source.format.startsWith('ip6'))) {
      const value = this.#valueOf(line, FIRST_DEFAULT);
      if (typeof value === 'string') return value;
      this.#setDefault(value);
      this.#firstDefault ??= this.#defaultAnswer;
      return undefined;
    }
    const isExcluded = first === '!';
    return this.#readEntry(isExcluded ? line.slice(1).trimStart() : line, isExcluded);
  }

  #readEntry(text: string, isExcluded: boolean): string | undefined {
    const [, entry, rest = ''] = this.#reader.pattern.exec(text) ?? [];
    if (entry === undefined) return 'no entry of this format';
    const answer = isExcluded ? EXCLUDED : this.#answerOf(rest.trimStart());
    if (typeof answer === 'string') return answer;
    const problem = this.#reader.add(entry, answer, this.#line);
    if (problem === undefined) this.#entries++;
    return problem;
  }

  #answerOf(rest: string): number | string {
    if (this.#reader.isPlain === true) return PLAIN;
    if (rest === '' || rest.startsWith('#') || rest.startsWith(';')) return this.#defaultAnswer;
    const value = this.#valueOf(rest, this.#default);
    return typeof value === 'string' ? value : this.#answers.add(value.code, value.text);
  }

  #setDefault(value: Value): void {
    this.#default = value;
    this.#defaultAnswer = this.#answers.add(value.code, value.text);
  }

  /** `:127.0.0.2:text`, `:2`, or a text alone; what is left out is as in `missing`. */
  #valueOf(text: string, missing: Value): Value | string {
    if (!text.startsWith(':')) return { code: missing.code, text: cut(text) };
    const [, address, hasText, own = ''] = CODE.exec(text) ?? [];
    const code = address === undefined ? undefined : codeOf(address);
    if (code === undefined) return 'no value: `:127.0.0.2:text`, `:2:text`, `:2` or a text';
    return { code, text: hasText === undefined ? missing.text : cut(own.trimStart()) };
  }

  /** What stands after the dollar sign. */
  #readSpecial(text: string): string | undefined {
    const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
    const keyword = name.toUpperCase();
    if (/^[\d=]$/.test(keyword)) return this.#setVariable(keyword, rest);
    switch (keyword) {
      case 'SOA':
      case 'NS':
      case 'TTL':
      case 'ENT':
        // For name servers.
        return undefined;
      case 'MAXRANGE4':
        return this.#setMaxSize(rest);
      case 'TIMESTAMP':
        return this.#setTimestamp(rest);
      case 'DATASET':
        return 'sets of several formats in one file are not read: a file for each, please';
      default:
        return 'no such directive';
    }
  }

  #setVariable(name: string, text: string): string | undefined {
    if (text === '') return `$${name} has no text`;
    if (name === '=') this.#base ??= cut(text);
    else this.#digits[Number(name)] ??= cut(text);
    return undefined;
  }

  /** It can only become smaller. */
  #setMaxSize(text: string): string | undefined {
    const [, slash, digits] = /^(\/)?(\d{1,10})$/.exec(text) ?? [];
    const number = Number(digits);
    const size = slash === undefined ? number : 2 ** (32 - number);
    if (digits === undefined || !(size >= 1) || size >= ALL_ADDRESSES)
      return '$MAXRANGE4 takes a number of addresses, or the bits of a network: /24';
    if (size > this.#maxSize) return '$MAXRANGE4 can only become smaller';
    this.#maxSize = size;
    return undefined;
  }

  /** The data of tomorrow are none, and those of the day before yesterday may be too old. */
  #setTimestamp(text: string): string | undefined {
    const times = readTimestamp(text);
    if (times === undefined) return '$TIMESTAMP takes yyyy:mm:dd:hh:mi:ss, and when the data expire';
    const { nowMs } = this.#source;
    if (times.madeAtMs !== undefined && times.madeAtMs > nowMs)
      throw new Unusable('the data are of a time to come ($TIMESTAMP)');
    const { expiresAtMs } = times;
    if (expiresAtMs !== undefined) this.#expiresAtMs = Math.min(expiresAtMs, this.#expiresAtMs ?? Infinity);
    return undefined;
  }

  #reject(line: number, text: string): void {
    this.#leftOut++;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ ...this.#placeOf(line), text });
  }

  #placeOf(line: number): { readonly file: number; readonly line: number } {
    const file = this.#firstLines.findLastIndex((first) => first <= line);
    return { file, line: line - this.#firstLines[file]! + 1 };
  }
}

function readerOf({ format, seed }: ZoneSource, answers: AnswerPool, maxSize: () => number): EntryReader {
  switch (format) {
    case 'ip4set':
      return new Ip4setReader(maxSize);
    case 'ip4trie':
      return new Ip4trieReader(maxSize);
    case 'ip6trie':
      return new Ip6trieReader();
    case 'ip6tset':
      return new Ip6tsetReader();
    case 'dnset':
      return new DnsetReader(seed, answers);
  }
}

const cut = (text: string): string | undefined => (text === '' ? undefined : text.slice(0, MAX_TEXT));

/** The last three octets of a code: of a whole address in 127/8 (RFC 5782 section 2.3), or of its last octet alone. */
function codeOf(address: string): readonly number[] | undefined {
  const octets = address.split('.').map(Number);
  if (octets.some((octet) => octet > 255)) return undefined;
  if (octets.length === 1) return octets[0] === 0 ? undefined : [0, 0, octets[0]!];
  return octets.length === 4 && octets[0] === 127 ? octets.slice(1) : undefined;
}
