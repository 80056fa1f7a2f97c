/**
 * Names in a DNS message: RFC 1035 sections 3.1 and 4.1.4. Each is written out once as text, whatever it was packed
 * into, and known by a number from then on: two names are the same if their numbers are.
 */

import { DNS_INPUT, DNS_NAME_TABLE, DNS_NAME_WORDS, DNS_NAMES } from './layout';
import { BACKSLASH, DOT } from './octets';
import { setWord, word } from './table';

const MAX_LABEL: u32 = 63;
const MAX_NAME: u32 = 255;
/** Of one name. Thousands, each to the one before, in hundreds of names, would keep the reader busy for half a second. */
const MAX_POINTERS: u32 = 32;
/** The two highest bits of a length say that the rest of the name stands elsewhere. */
const POINTER: u32 = 0xc0;
const ZERO: u32 = 0x30;

const START = 0;
const END = 1;
const HASH = 2;

/** FNV-1a. */
const HASH_SEED: u32 = 0x811c_9dc5;
const HASH_PRIME: u32 = 0x0100_0193;

let count: i32 = 0;
let text: usize = DNS_NAMES;
let after: usize = 0;
let hash: u32 = 0;

/** Forgets the names of the message before. */
export function beginNames(): void {
  count = 0;
  text = DNS_NAMES;
}

/** Names read so far, and the number the next one gets if it is new. */
export function nameCount(): i32 {
  return count;
}

/** Where the octets after the name begin that was read or skipped last. */
export function afterName(): usize {
  return after;
}

/**
 * Reads the name at `start` and returns its number; -1 if it is none. A pointer may only lead backwards: one that leads to
 * itself or ahead would keep the reader busy without end.
 */
export function readName(start: usize, end: usize): i32 {
  const from = text;
  let at = start;
  let lowest = start;
  let octets: u32 = 1;
  let pointers: u32 = 0;
  hash = HASH_SEED;
  while (at < end) {
    const length = <u32>load<u8>(at);
    if (length == 0) {
      if (pointers == 0) after = at + 1;
      return numberOf(from);
    }
    if ((length & POINTER) == POINTER) {
      if (at + 1 >= end) return -1;
      const target = <usize>DNS_INPUT + <usize>(((length & 0x3f) << 8) | load<u8>(at + 1));
      if (target >= lowest || pointers == MAX_POINTERS) return -1;
      if (pointers++ == 0) after = at + 2;
      lowest = target;
      at = target;
      continue;
    }
    octets += length + 1;
    const next = at + 1 + <usize>length;
    if (length > MAX_LABEL || octets > MAX_NAME || next > end) return -1;
    if (text != from) put(DOT);
    for (at++; at < next; at++) putPrinted(load<u8>(at));
  }
  return -1;
}

/** Goes past the name at `start` without reading where it leads; false if it ends nowhere. */
export function skipName(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    const length = <u32>load<u8>(at);
    if ((length & POINTER) == POINTER) {
      after = at + 2;
      return after <= end;
    }
    if (length > MAX_LABEL) return false;
    at += 1 + <usize>length;
    if (length == 0) {
      after = at;
      return true;
    }
  }
  return false;
}

/** In small letters. A dot or control character within a label must not be taken for something else by a reader of the text. */
function putPrinted(octet: u32): void {
  if (octet - 0x41 < 26) put(octet | 0x20);
  else if (octet - 0x21 < 0x5e && octet != DOT && octet != BACKSLASH) put(octet);
  else {
    put(BACKSLASH);
    put(ZERO + octet / 100);
    put(ZERO + ((octet / 10) % 10));
    put(ZERO + (octet % 10));
  }
}

function put(octet: u32): void {
  store<u8>(text, octet);
  hash = (hash ^ octet) * HASH_PRIME;
  text++;
}

/** The number of the text from `from` on: that of an earlier name, which it then does not stand beside, or a new one. */
function numberOf(from: usize): i32 {
  const length = text - from;
  for (let number = 0; number < count; number++) {
    const row = rowOf(number);
    if (word(row, HASH) != hash) continue;
    const other = <usize>word(row, START);
    if (<usize>word(row, END) - other != length || memory.compare(other, from, length) != 0) continue;
    text = from;
    return number;
  }
  const row = rowOf(count);
  setWord(row, START, <u32>from);
  setWord(row, END, <u32>text);
  setWord(row, HASH, hash);
  return count++;
}

function rowOf(number: i32): usize {
  return <usize>DNS_NAME_TABLE + ((<usize>(number * DNS_NAME_WORDS)) << 2);
}
