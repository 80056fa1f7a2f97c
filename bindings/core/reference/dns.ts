import { DNS_WORDS, DnsWord, MAX_DNS_OCTETS, MAX_DNS_RECORDS, RecordType } from '../contract.ts';

const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const TRUNCATED = 0x0200;
const CLASS_IN = 1;
const SOA = 6;
const OPT = 41;
const QUESTION = 12;
const MAX_LABEL_OCTETS = 63;
const MAX_NAME_OCTETS = 255;
const MAX_POINTERS = 32;
const POINTER = 0xc0;

/** What a reply says beside its records; see the members of `Core` of the same names. */
export interface DnsReading {
  readonly count: number;
  readonly flags: number;
  readonly code: number;
  readonly questionType: number;
  readonly questionEnd: number;
  readonly negativeTtl: number;
  readonly names: readonly string[];
}

export const NO_REPLY: DnsReading = {
  count: 0,
  flags: 0,
  code: 0,
  questionType: 0,
  questionEnd: 0,
  negativeTtl: -1,
  names: [],
};

/** Decodes a reply into `records`; undefined for what `Core.dns` calls malformed. */
export function readReply(message: Uint8Array, records: Int32Array): DnsReading | undefined {
  try {
    return new Reply(message.subarray(0, MAX_DNS_OCTETS)).read(records);
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

interface PlacedRecord {
  readonly type: number;
  readonly isInternet: boolean;
  readonly ttl: number;
  /** Where the fixed part, the data, and the next record begin. */
  readonly fixed: number;
  readonly data: number;
  readonly end: number;
}

class Reply {
  readonly #octets: Buffer;
  readonly #names: string[] = [];

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#octets = Buffer.from(buffer, byteOffset, byteLength);
  }

  read(table: Int32Array): DnsReading | undefined {
    const octets = this.#octets;
    const flags = octets.readUInt16BE(2);
    const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => octets.readUInt16BE(at));
    if ((flags & (RESPONSE | OPCODE)) !== RESPONSE || questions !== 1) return undefined;
    const { end } = this.#name(QUESTION);
    const questionType = octets.readUInt16BE(end);
    if (octets.readUInt16BE(end + 2) !== CLASS_IN) return undefined;
    const isTruncated = (flags & TRUNCATED) !== 0;
    const { count, next } = this.#answers(end + 4, isTruncated ? 0 : answers!, table);
    const rest = isTruncated || next === undefined ? {} : this.#rest(next, authorities!, additionals!);
    const { negativeTtl = -1, upperCode = 0 } = rest;
    const code = (upperCode << 4) | (flags & 0xf);
    return { count, flags, code, questionType, questionEnd: end + 4, negativeTtl, names: this.#names };
  }

  #answers(start: number, announced: number, table: Int32Array): { count: number; next?: number } {
    let at = start;
    let count = 0;
    for (let index = 0; index < Math.min(announced, MAX_DNS_RECORDS); index++) {
      const owner = this.#name(at);
      const { type, isInternet, ttl, data, end } = this.#record(owner.end);
      at = end;
      const content = isInternet ? this.#content(type, data, end) : undefined;
      if (content === undefined) continue;
      const row = table.subarray(count * DNS_WORDS, (count + 1) * DNS_WORDS);
      row[DnsWord.type] = type;
      row[DnsWord.owner] = owner.number;
      row[DnsWord.ttl] = ttl;
      row[DnsWord.data] = data;
      row[DnsWord.dataEnd] = end;
      row[DnsWord.value] = content.value ?? 0;
      row[DnsWord.name] = content.name ?? -1;
      count++;
    }
    return announced > MAX_DNS_RECORDS ? { count } : { count, next: at };
  }

  #record(fixed: number): PlacedRecord {
    const octets = this.#octets;
    const data = fixed + 10;
    const end = data + octets.readUInt16BE(fixed + 8);
    if (end > octets.length) throw new RangeError('a record ends after the message');
    return {
      type: octets.readUInt16BE(fixed),
      isInternet: octets.readUInt16BE(fixed + 2) === CLASS_IN,
      ttl: Math.max(octets.readInt32BE(fixed + 4), 0),
      fixed,
      data,
      end,
    };
  }

  /** Undefined for types that are not known. */
  #content(type: number, from: number, to: number): { value?: number; name?: number } | undefined {
    const octets = this.#octets;
    const length = to - from;
    switch (type) {
      case RecordType.A:
        must(length === 4);
        return { value: octets.readInt32BE(from) };
      case RecordType.AAAA:
        must(length === 16);
        return {};
      case RecordType.MX:
        must(length >= 3);
        return { value: octets.readUInt16BE(from), name: this.#nameWithin(from + 2, to) };
      case RecordType.CNAME:
      case RecordType.PTR:
      case RecordType.NS:
        return { name: this.#nameWithin(from, to) };
      case RecordType.TXT: {
        let at = from;
        while (at < to) at += 1 + octets[at]!;
        must(at === to);
        return {};
      }
      case RecordType.TLSA:
        must(length >= 3);
        return { value: octets.readUIntBE(from, 3) };
      default:
        return undefined;
    }
  }

  /** What is broken here ends the reading; the answer stands. */
  #rest(
    start: number,
    authorities: number,
    additionals: number,
  ): { negativeTtl?: number; upperCode?: number } {
    const found: { negativeTtl?: number; upperCode?: number } = {};
    try {
      let at = start;
      for (let index = 0; index < Math.min(authorities + additionals, MAX_DNS_RECORDS); index++) {
        const { type, ttl, fixed, data, end } = this.#record(this.#skip(at));
        if (index >= authorities) {
          if (type === OPT) found.upperCode = this.#octets[fixed + 4]!;
        } else if (type === SOA && end - data >= 22)
          found.negativeTtl = Math.min(ttl, Math.max(this.#octets.readInt32BE(end - 4), 0));
        at = end;
      }
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
    }
    return found;
  }

  #skip(start: number): number {
    for (let at = start; ; at += 1 + this.#octets[at]!) {
      const length = this.#octets.readUInt8(at);
      if (length === 0) return at + 1;
      if ((length & POINTER) === POINTER) return at + 2;
      if (length > MAX_LABEL_OCTETS) throw new RangeError('a label is too long');
    }
  }

  #nameWithin(from: number, to: number): number {
    const { number, end } = this.#name(from, to);
    must(end === to);
    return number;
  }

  #number(text: string): number {
    const known = this.#names.indexOf(text);
    return known === -1 ? this.#names.push(text) - 1 : known;
  }

  /** Pointers may only lead backwards, and there are few of them. */
  #name(start: number, limit = this.#octets.length): { number: number; end: number } {
    const octets = this.#octets;
    const labels: string[] = [];
    let size = 1;
    let lowest = start;
    let end: number | undefined;
    let pointers = 0;
    for (let at = start; at < limit;) {
      const length = octets[at]!;
      if (length === 0) return { number: this.#number(labels.join('.')), end: end ?? at + 1 };
      if ((length & POINTER) === POINTER) {
        must(at + 1 < limit);
        const target = octets.readUInt16BE(at) & 0x3fff;
        must(target < lowest && ++pointers <= MAX_POINTERS);
        end ??= at + 2;
        lowest = target;
        at = target;
        continue;
      }
      size += length + 1;
      must(length <= MAX_LABEL_OCTETS && size <= MAX_NAME_OCTETS && at + 1 + length <= limit);
      labels.push(printLabel(octets.latin1Slice(at + 1, at + 1 + length)));
      at += 1 + length;
    }
    throw new RangeError('a name ends nowhere');
  }
}

function must(isSound: boolean): void {
  if (!isSound) throw new RangeError('the message is broken');
}

const printLabel = (label: string): string =>
  label
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[^!-[\]-~]|\./g, (octet) => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`);
