/** Questions and answers of the DNS in wire form, as far as the handling of mail needs them. RFC 1035 section 4.1. */

import type { MailExchanger, TlsaRecord } from '../../bindings/plugin/resolver.ts';
import { decodeName, encodeName } from './wire-name.ts';

/** Types of records and their numbers. RFC 1035 section 3.2.2, RFC 3596, RFC 6698. */
export const RECORD_TYPES = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, TLSA: 52 } as const;
export type RecordType = keyof typeof RECORD_TYPES;

/** What each type of record holds; names in lower case without the final dot. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly CNAME: string;
  readonly PTR: string;
  readonly MX: MailExchanger;
  /** In one piece, however many strings it was kept in. */
  readonly TXT: string;
  readonly TLSA: TlsaRecord;
}

/** One record of the answer section. */
export type WireRecord = {
  readonly [T in RecordType]: {
    readonly name: string;
    readonly type: T;
    readonly ttlSeconds: number;
    readonly data: RecordData[T];
  };
}[RecordType];

export interface WireAnswer {
  readonly id: number;
  /** The resolver says that it has verified everything with DNSSEC. RFC 4035 section 3.2.3. */
  readonly isAuthenticated: boolean;
  readonly isTruncated: boolean;
  /** RFC 1035 section 4.1.1: 0 no error, 2 server failure, 3 no such name. */
  readonly code: number;
  readonly question: { readonly name: string; readonly type: number };
  readonly records: readonly WireRecord[];
}

const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const AUTHENTIC_DATA = 0x0020;
const CLASS_IN = 1;
const OPT = 41;
const DNSSEC_OK = 0x8000;
/** What passes all networks in one piece. RFC 9715 appendix A. */
const UDP_OCTETS = 1_232;
/** More records than this are not looked at: no mail domain needs them. */
const MAX_RECORDS = 256;

/** A question that wants to know whether the answer is verified (RFC 6840 section 5.7); undefined for what is no name. */
export function encodeQuestion(id: number, name: string, type: RecordType): Buffer | undefined {
  const wireName = encodeName(name);
  if (wireName === undefined) return undefined;
  const header = uint16s(id, RECURSION_DESIRED | AUTHENTIC_DATA, 1, 0, 0, 1);
  // The OPT record: no name, size in place of the class, flags in the lower half of the TTL. RFC 6891 section 6.1.2.
  const opt = Buffer.concat([Buffer.of(0), uint16s(OPT, UDP_OCTETS, 0, DNSSEC_OK, 0)]);
  return Buffer.concat([header, wireName, uint16s(RECORD_TYPES[type], CLASS_IN), opt]);
}

function uint16s(...values: readonly number[]): Buffer {
  const octets = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) octets.writeUInt16BE(value, index * 2);
  return octets;
}

/** Undefined for what is no answer to one question, or is broken anywhere up to the end of its answer section. */
export function parseAnswer(message: Buffer): WireAnswer | undefined {
  try {
    return readAnswer(message);
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

function readAnswer(message: Buffer): WireAnswer | undefined {
  const flags = message.readUInt16BE(2);
  if ((flags & RESPONSE) === 0 || message.readUInt16BE(4) !== 1) return undefined;
  const { name, end } = decodeName(message, 12);
  const type = message.readUInt16BE(end);
  if (message.readUInt16BE(end + 2) !== CLASS_IN) return undefined;
  const isTruncated = (flags & TRUNCATED) !== 0;
  return {
    id: message.readUInt16BE(0),
    isAuthenticated: (flags & AUTHENTIC_DATA) !== 0,
    isTruncated,
    code: flags & 0x000f,
    question: { name, type },
    // Of a truncated answer nothing is used, so it does not matter where it breaks off.
    records: isTruncated ? [] : readRecords(message, end + 4, message.readUInt16BE(6)),
  };
}

function readRecords(message: Buffer, start: number, count: number): WireRecord[] {
  const records: WireRecord[] = [];
  let at = start;
  for (let index = 0; index < Math.min(count, MAX_RECORDS); index++) {
    const { name, end } = decodeName(message, at);
    const type = message.readUInt16BE(end);
    const isInternet = message.readUInt16BE(end + 2) === CLASS_IN;
    // The highest bit would make it negative: RFC 2181 section 8.
    const ttl = message.readInt32BE(end + 4);
    const from = end + 10;
    const to = from + message.readUInt16BE(end + 8);
    if (to > message.length) throw new RangeError('a record ends after the message');
    const known = isInternet ? NAMES.get(type) : undefined;
    if (known !== undefined) {
      const data = READ[known](message, from, to);
      records.push({ name, type: known, ttlSeconds: Math.max(ttl, 0), data } as WireRecord);
    }
    at = to;
  }
  return records;
}

const NAMES: ReadonlyMap<number, RecordType> = new Map(
  Object.entries(RECORD_TYPES).map(([name, number]) => [number, name as RecordType]),
);

const READ: {
  readonly [T in RecordType]: (message: Buffer, from: number, to: number) => RecordData[T];
} = {
  A: (message, from, to) => {
    if (to - from !== 4) throw new RangeError('an A record has four octets');
    return message.subarray(from, to).join('.');
  },
  AAAA: (message, from, to) => {
    if (to - from !== 16) throw new RangeError('an AAAA record has sixteen octets');
    const groups = Array.from({ length: 8 }, (_, index) =>
      message.readUInt16BE(from + index * 2).toString(16),
    );
    return groups.join(':');
  },
  CNAME: nameWithin,
  PTR: nameWithin,
  MX: (message, from, to) => ({
    preference: message.readUInt16BE(from),
    exchange: nameWithin(message, from + 2, to),
  }),
  TXT: (message, from, to) => {
    const strings: Buffer[] = [];
    for (let at = from; at < to; at += message.readUInt8(at) + 1) {
      const end = at + 1 + message.readUInt8(at);
      if (end > to) throw new RangeError('a string ends after its record');
      strings.push(message.subarray(at + 1, end));
    }
    return Buffer.concat(strings).toString('latin1');
  },
  TLSA: (message, from, to) => {
    if (to - from < 3) throw new RangeError('a TLSA record has three octets at least');
    const [usage = 0, selector = 0, matching = 0] = message.subarray(from, from + 3);
    return { usage, selector, matching, data: Buffer.from(message.subarray(from + 3, to)) };
  },
};

function nameWithin(message: Buffer, from: number, to: number): string {
  const { name, end } = decodeName(message, from);
  if (end !== to) throw new RangeError('a name does not fill its record');
  return name;
}
