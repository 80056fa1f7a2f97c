/** Replies of the DNS: RFC 1035 section 4.1. Every octet that is read is one of the message. */

import { afterName, beginNames, nameCount, readName, skipName } from './dns-names';
import {
  DNS_INPUT,
  DNS_RECORDS,
  RESULT_DNS_CODE,
  RESULT_DNS_FLAGS,
  RESULT_DNS_NAME_COUNT,
  RESULT_DNS_NEGATIVE_TTL,
  RESULT_DNS_QUESTION_END,
  RESULT_DNS_QUESTION_TYPE,
} from './layout';
import { setResult, setWord } from './table';
import {
  DNS_DATA,
  DNS_DATA_END,
  DNS_MALFORMED,
  DNS_NAME,
  DNS_OWNER,
  DNS_TTL,
  DNS_TYPE,
  DNS_VALUE,
  DNS_WORDS,
  MAX_DNS_RECORDS,
  RECORD_A,
  RECORD_AAAA,
  RECORD_CNAME,
  RECORD_MX,
  RECORD_NS,
  RECORD_OPT,
  RECORD_PTR,
  RECORD_SOA,
  RECORD_TLSA,
  RECORD_TXT,
} from './words';

const HEADER_OCTETS: usize = 12;
const RESPONSE: u32 = 0x8000;
const OPCODE: u32 = 0x7800;
const TRUNCATED: u32 = 0x0200;
const CODE: u32 = 0x000f;
const CLASS_IN: u32 = 1;
/** A pointer to the name of the question, which begins after the header. */
const TO_QUESTION: u32 = 0xc00c;

/** Of the record that was entered last: the octet after it, what a reader of its data finds, and the name in its data. */
let afterRecord: usize = 0;
let value: u32 = 0;
let nameInData: i32 = -1;
let negativeTtl: i32 = -1;
let extendedCode: u32 = 0;

/**
 * Decodes the `length` octets at `DNS_INPUT`. Returns the number of records in `DNS_RECORDS`, none of a truncated reply;
 * `DNS_MALFORMED` for what is no reply to one question, or is broken anywhere up to the end of its answer section.
 */
export function decodeDns(length: i32): i32 {
  const origin = <usize>DNS_INPUT;
  const end = origin + <usize>length;
  if (<usize>length < HEADER_OCTETS) return DNS_MALFORMED;
  const flags = u16At(origin + 2);
  if ((flags & (RESPONSE | OPCODE)) != RESPONSE || u16At(origin + 4) != 1) return DNS_MALFORMED;
  beginNames();
  negativeTtl = -1;
  extendedCode = 0;
  if (readName(origin + HEADER_OCTETS, end) < 0) return DNS_MALFORMED;
  const question = afterName();
  if (question + 4 > end || u16At(question + 2) != CLASS_IN) return DNS_MALFORMED;
  let count = 0;
  if ((flags & TRUNCATED) == 0) {
    count = readAnswers(question + 4, end, u16At(origin + 6));
    if (count < 0) return DNS_MALFORMED;
    readRest(afterRecord, end, u16At(origin + 8), u16At(origin + 10));
  }
  setResult(RESULT_DNS_FLAGS, flags);
  setResult(RESULT_DNS_CODE, (extendedCode << 4) | (flags & CODE));
  setResult(RESULT_DNS_QUESTION_TYPE, u16At(question));
  setResult(RESULT_DNS_QUESTION_END, <u32>(question + 4 - origin));
  setResult(RESULT_DNS_NEGATIVE_TTL, negativeTtl);
  setResult(RESULT_DNS_NAME_COUNT, nameCount());
  return count;
}

function u16At(at: usize): u32 {
  return ((<u32>load<u8>(at)) << 8) | load<u8>(at, 1);
}

function u32At(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

/** Enters the records of types that are known; -1 if one is broken. Records after `MAX_DNS_RECORDS` are not looked at. */
function readAnswers(start: usize, end: usize, announced: u32): i32 {
  let at = start;
  let count = 0;
  const records = <i32>min(announced, <u32>MAX_DNS_RECORDS);
  for (let index = 0; index < records; index++) {
    const owner = readOwner(at, end);
    if (owner < 0) return -1;
    const fixed = afterName();
    if (fixed + 10 > end) return -1;
    const type = u16At(fixed);
    const data = fixed + 10;
    at = data + <usize>u16At(fixed + 8);
    if (at > end) return -1;
    if (u16At(fixed + 2) != CLASS_IN) continue;
    const kind = readData(type, data, at);
    if (kind < 0) return -1;
    if (kind == 0) continue;
    const entry = <usize>DNS_RECORDS + ((<usize>(count * DNS_WORDS)) << 2);
    setWord(entry, DNS_TYPE, type);
    setWord(entry, DNS_OWNER, owner);
    setWord(entry, DNS_TTL, ttlAt(fixed + 4));
    setWord(entry, DNS_DATA, <u32>(data - <usize>DNS_INPUT));
    setWord(entry, DNS_DATA_END, <u32>(at - <usize>DNS_INPUT));
    setWord(entry, DNS_VALUE, value);
    setWord(entry, DNS_NAME, nameInData);
    count++;
  }
  afterRecord = announced > <u32>MAX_DNS_RECORDS ? end : at;
  return count;
}

/** Most owners are a pointer to the question, whose number is 0. */
function readOwner(at: usize, end: usize): i32 {
  if (at + 12 <= end && u16At(at) == TO_QUESTION) {
    skipName(at, end);
    return 0;
  }
  return readName(at, end);
}

/** RFC 2181 section 8: a TTL with its highest bit set is 0. */
function ttlAt(at: usize): u32 {
  const seconds = u32At(at);
  return <i32>seconds < 0 ? 0 : seconds;
}

/** 1 for data of a known type, 0 for others, -1 for data that are none. */
function readData(type: u32, from: usize, to: usize): i32 {
  const length = to - from;
  value = 0;
  nameInData = -1;
  switch (type) {
    case RECORD_A:
      if (length != 4) return -1;
      value = u32At(from);
      return 1;
    case RECORD_AAAA:
      return length == 16 ? 1 : -1;
    case RECORD_MX:
      if (length < 3) return -1;
      value = u16At(from);
      return readNameInData(from + 2, to);
    case RECORD_CNAME:
    case RECORD_PTR:
    case RECORD_NS:
      return readNameInData(from, to);
    case RECORD_TXT:
      return hasWholeStrings(from, to) ? 1 : -1;
    case RECORD_TLSA:
      if (length < 3) return -1;
      value = (u16At(from) << 8) | load<u8>(from, 2);
      return 1;
    default:
      return 0;
  }
}

/** Of all that is compressed only what is read may be followed; it has to end where the data do. */
function readNameInData(from: usize, to: usize): i32 {
  nameInData = readName(from, to);
  return nameInData >= 0 && afterName() == to ? 1 : -1;
}

function hasWholeStrings(from: usize, to: usize): bool {
  let at = from;
  while (at < to) at += 1 + <usize>load<u8>(at);
  return at == to;
}

/**
 * Authority and additional section: how long nothing may be remembered (RFC 2308 section 5), and the upper bits of the code
 * (RFC 6891 section 6.1.3). What is broken there ends the reading: the answer stands.
 */
function readRest(start: usize, end: usize, authorities: u32, additionals: u32): void {
  let at = start;
  const all = min(authorities + additionals, <u32>MAX_DNS_RECORDS);
  for (let index: u32 = 0; index < all; index++) {
    if (!skipName(at, end)) return;
    const fixed = afterName();
    if (fixed + 10 > end) return;
    const data = fixed + 10;
    const next = data + <usize>u16At(fixed + 8);
    if (next > end) return;
    const type = u16At(fixed);
    if (index < authorities) {
      if (type == RECORD_SOA && next - data >= 22) readNegativeTtl(ttlAt(fixed + 4), next);
    } else if (type == RECORD_OPT) extendedCode = load<u8>(fixed + 4);
    at = next;
  }
}

/** The last four octets of a SOA are its minimum. RFC 1035 section 3.3.13. */
function readNegativeTtl(ttl: u32, end: usize): void {
  negativeTtl = <i32>min(ttl, ttlAt(end - 4));
}
