/** A zone in memory, as it is asked. */

import { addressOctets, canonicalIpAddress } from '../../../bindings/lists/index.ts';
import { reversedDigits } from '../../../bindings/wire/index.ts';
import { EXCLUDED, NO_ANSWER, valuesOf } from './answers.ts';
import { findInterval } from './interval-table.ts';
import { ipv4Word, readIpv6 } from './ip-words.ts';
import { findName } from './name-table.ts';
import { findInTables } from './prefix-table.ts';
import { expandText } from './text-template.ts';
import type { ZoneTable } from './zone-entries.ts';
import type { ZoneData } from './zone-parser.ts';

/** What a zone has about a subject. */
export interface ZoneEntry {
  /** Addresses in 127/8; never empty. */
  readonly codes: readonly string[];
  readonly text: () => string | undefined;
}

const MAX_KNOWN = 1_024;

const words = new Uint32Array(4);

export class Zone {
  readonly #data: ZoneData;
  /** Most lists have few answers, and all clients that are listed get one of them. */
  readonly #known = new Map<number, AnswerText>();

  constructor(data: ZoneData) {
    this.#data = data;
  }

  /** The data are too old to be believed. */
  isExpired(nowMs: number): boolean {
    const { expiresAtMs } = this.#data;
    return expiresAtMs !== undefined && nowMs > expiresAtMs;
  }

  /** What it takes in memory. */
  get octets(): number {
    return octetsOf(this.#data);
  }

  /** `subject`: an IP address, or a domain in lower case and A-labels. Undefined if it is not listed. */
  find(subject: string): ZoneEntry | undefined {
    const answer = answerOf(this.#data.table, subject);
    return answer === NO_ANSWER || answer === EXCLUDED ? undefined : this.#entry(answer, subject);
  }

  #entry(answer: number, subject: string): ZoneEntry {
    let entry = this.#known.get(answer);
    if (entry === undefined) {
      entry = new AnswerText(this.#data, answer);
      if (this.#known.size === MAX_KNOWN) this.#known.clear();
      this.#known.set(answer, entry);
    }
    return { codes: entry.codes, text: () => entry.textFor(subject) };
  }
}

/** What one answer of the zone is about any subject. */
class AnswerText {
  readonly codes: readonly string[];
  readonly #texts: readonly (string | undefined)[];
  readonly #data: ZoneData;

  constructor(data: ZoneData, answer: number) {
    const values = valuesOf(data.answers, answer);
    this.codes = [...new Set(values.map(({ code }) => code))];
    this.#texts = values.map(({ text }) => text);
    this.#data = data;
  }

  /** Several texts are no better than one: the first counts. */
  textFor(subject: string): string | undefined {
    const { table, variables } = this.#data;
    const shown = listedPart(table, subject);
    for (const template of this.#texts) {
      const text = expandText(template, shown, variables);
      if (text !== undefined) return text;
    }
    return undefined;
  }
}

/** RFC 4291 section 2.5.5.2. */
const MAPPED = '::ffff:';

/** -1 for what is no IPv4 address. */
const ipv4Of = (subject: string): number =>
  ipv4Word(subject.startsWith(MAPPED) ? subject.slice(MAPPED.length) : subject);

function answerOf(table: ZoneTable, subject: string): number {
  switch (table.kind) {
    case 'intervals': {
      const address = ipv4Of(subject);
      return address < 0 ? NO_ANSWER : findInterval(table.table, address);
    }
    case 'ipv4': {
      const address = ipv4Of(subject);
      words[0] = address;
      return address < 0 ? NO_ANSWER : findInTables(table.tables, words);
    }
    case 'ipv6':
      return readIpv6(subject, words) === 8 ? findInTables(table.tables, words) : NO_ANSWER;
    case 'names':
      return findName(table.table, nameOf(subject))?.answer ?? NO_ANSWER;
  }
}

/** What a dollar sign in a text stands for: the address, or the listed domain, which may stand above the one that was asked for. */
function listedPart(table: ZoneTable, subject: string): string {
  if (table.kind !== 'names') return canonicalIpAddress(subject) ?? subject;
  const name = nameOf(subject);
  return name.slice(findName(table.table, name)?.start ?? 0);
}

/** Addresses stand in a list of names as in the DNS: from the last octet or digit to the first. RFC 5782 sections 2.1 and 2.4. */
function nameOf(subject: string): string {
  const octets = addressOctets(subject);
  return octets === undefined ? subject : reversedDigits(octets);
}

/** Of all arrays in a value. */
function octetsOf(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, part) => sum + octetsOf(part), 0);
}
