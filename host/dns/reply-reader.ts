/** Answers out of replies that the core has decoded: aliases followed, records as values, and how long they may be kept. */

import ipaddr from 'ipaddr.js';
import { DNS_WORDS, DnsWord, RecordType, type Core } from '../../bindings/core/contract.ts';
import type { DnsAnswer, MailExchanger, TlsaRecord } from '../../bindings/plugin/resolver.ts';
import { failedAnswer } from './answer-limit.ts';
import type { AskedType } from './question.ts';

/** What each type of record holds; names in lower case without the final dot. */
export interface RecordData {
  readonly A: string;
  readonly AAAA: string;
  readonly CNAME: string;
  readonly PTR: string;
  readonly MX: MailExchanger;
  /** In one piece, however many strings it was kept in; an octet is a character. */
  readonly TXT: string;
  readonly TLSA: TlsaRecord;
}

export type AnyAnswer = DnsAnswer<RecordData[AskedType]>;

export interface TimedAnswer {
  readonly answer: AnyAnswer;
  readonly keepMs: number;
}

export interface ReadAnswer extends TimedAnswer {
  /** How long the aliases hold that it followed: all that counts where they lead to something that has to be asked for. */
  readonly aliasesMs: number;
}

/** Aliases that are followed within one reply, and replies that stop at an alias. */
export const MAX_ALIASES = 8;
/** Why there is no answer then. */
export const ENDLESS_ALIASES = 'aliases without end';
/** RFC 8767 section 4 has a cache keep nothing longer than days; what is asked about mail is looked up again within the hour. */
const MAX_KEEP_SECONDS = 3_600;
/**
 * Failures, and answers that there is nothing of which nobody says how long they hold. RFC 2308 sections 5 and 7: caches that
 * feed each other would keep those alive for ever; this one feeds nobody.
 */
export const KEEP_MOMENT_MS = 5_000;

const NO_SUCH_NAME = 3;

/** Of the reply to `name` that `core.dns` has decoded last, with `count` records, of code NOERROR or NXDOMAIN. */
export function readAnswer(
  core: Core,
  message: Buffer,
  count: number,
  name: string,
  type: AskedType,
  isSecure: boolean,
): ReadAnswer {
  const { dnsRecords } = core;
  const asked = RecordType[type];
  let owner = 0;
  let seconds = MAX_KEEP_SECONDS;
  if (type !== 'CNAME') {
    for (let steps = 0; ; steps++) {
      const row = rowOf(core, count, RecordType.CNAME, owner);
      if (row === -1) break;
      if (steps === MAX_ALIASES)
        return { answer: failedAnswer(name, ENDLESS_ALIASES), keepMs: KEEP_MOMENT_MS, aliasesMs: 0 };
      seconds = Math.min(seconds, dnsRecords[row + DnsWord.ttl]!);
      owner = dnsRecords[row + DnsWord.name]!;
    }
  }
  const aliasesMs = seconds * 1_000;
  const canonicalName = owner === 0 ? name : core.dnsName(owner);
  const records: RecordData[AskedType][] = [];
  for (let row = 0; row < count * DNS_WORDS; row += DNS_WORDS) {
    if (dnsRecords[row + DnsWord.type] !== asked || dnsRecords[row + DnsWord.owner] !== owner) continue;
    seconds = Math.min(seconds, dnsRecords[row + DnsWord.ttl]!);
    records.push(READ[type](core, message, row));
  }
  if (records.length > 0) {
    // They are shared by all who ask until they are too old: nobody may change them.
    const answer: AnyAnswer = { status: 'found', records: Object.freeze(records), isSecure, canonicalName };
    return { answer: Object.freeze(answer), keepMs: seconds * 1_000, aliasesMs };
  }
  const status = core.dnsCode === NO_SUCH_NAME ? 'no such name' : 'no such record';
  const ttl = core.dnsNegativeTtl;
  const keepMs = ttl < 0 ? KEEP_MOMENT_MS : Math.min(seconds, ttl) * 1_000;
  return { answer: Object.freeze({ status, isSecure, canonicalName }), keepMs, aliasesMs };
}

/** Where the first record of a type stands that belongs to a name, or -1. */
function rowOf({ dnsRecords }: Core, count: number, type: number, owner: number): number {
  for (let row = 0; row < count * DNS_WORDS; row += DNS_WORDS)
    if (dnsRecords[row + DnsWord.type] === type && dnsRecords[row + DnsWord.owner] === owner) return row;
  return -1;
}

const nameAt = (core: Core, row: number): string => core.dnsName(core.dnsRecords[row + DnsWord.name]!);

const READ: {
  readonly [T in AskedType]: (core: Core, message: Buffer, row: number) => RecordData[T];
} = {
  A: ({ dnsRecords }, _, row) => {
    const value = dnsRecords[row + DnsWord.value]!;
    return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
  },
  AAAA: (core, message, row) => ipaddr.fromByteArray([...dataOf(core, message, row)]).toString(),
  CNAME: (core, _, row) => nameAt(core, row),
  PTR: (core, _, row) => nameAt(core, row),
  MX: (core, _, row) =>
    Object.freeze({ preference: core.dnsRecords[row + DnsWord.value]!, exchange: nameAt(core, row) }),
  TXT: (core, message, row) => {
    const data = dataOf(core, message, row);
    let text = '';
    for (let at = 0; at < data.length; at += 1 + data[at]!)
      text += data.latin1Slice(at + 1, at + 1 + data[at]!);
    return text;
  },
  TLSA: (core, message, row) => {
    const value = core.dnsRecords[row + DnsWord.value]!;
    const octets = dataOf(core, message, row).subarray(3);
    // Not out of Node's pool: a few octets that are kept would keep all that came before and after them there.
    const data = Buffer.allocUnsafeSlow(octets.length);
    octets.copy(data);
    return Object.freeze({ usage: value >> 16, selector: (value >> 8) & 0xff, matching: value & 0xff, data });
  },
};

const dataOf = ({ dnsRecords }: Core, message: Buffer, row: number): Buffer =>
  message.subarray(dnsRecords[row + DnsWord.data], dnsRecords[row + DnsWord.dataEnd]);
