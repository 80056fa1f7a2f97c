/**
 * What looks like host names in text: `hosts` in the contract says what counts.
 *
 * Two gears. Between names, 16 octets a step look for what a name must have: a dot that something follows, or two slashes.
 * From the beginning of the run around it on it goes octet by octet, until the run and the authority have ended.
 */

import { HOSTS, RESULT_CONSUMED, RESULT_HOST_STATE } from './layout';
import {
  AT,
  BACKSLASH,
  CLOSE_BRACKET,
  COLON,
  DELETE,
  DOT,
  GREATER,
  HASH,
  HOST,
  is,
  LESS,
  OPEN_BRACKET,
  PERCENT,
  QUESTION,
  QUOTE,
  SIXTEEN_BACKSLASH,
  SIXTEEN_DOT,
  SIXTEEN_SLASH,
  SLASH,
  SP,
} from './octets';
import { setResult, setWord } from './table';
import {
  HOSTS_AUTHORITY,
  HOSTS_SKIP,
  HOSTS_SLASH,
  HOSTS_START,
  HOST_AUTHORITY,
  HOST_BRACKETS,
  HOST_EIGHT_BIT,
  HOST_FLAGS,
  HOST_FROM,
  HOST_PERCENT,
  HOST_PIECE,
  HOST_TO,
  HOST_WORDS,
  MAX_HOSTS,
  MAX_HOST_RUN,
} from './words';

/** The longest IPv6 address in text, with an IPv4 address at its end. */
const MAX_LITERAL: usize = 45;
/** Two dots, or a dot before anything up to here, are within no name. */
const BEFORE_NAMES: u32 = 0x24;

let origin: usize = 0;
let end: usize = 0;
let isAtEnd: bool = false;
let state: u32 = 0;
let count: i32 = 0;
/** The position is in the middle of a run that was cut: to look for its beginning again would cost the square of its length. */
let isInRun: bool = false;

/** Scans `length` octets (at most a window) at `input`. Returns the number of records in `HOSTS`. */
export function scanHosts(input: i32, length: i32, before: i32, isEnd: i32): i32 {
  origin = <usize>input;
  end = origin + <usize>max(length, 0);
  isAtEnd = isEnd != 0;
  state = before;
  count = 0;
  isInRun = false;
  let at = origin;
  while (at < end) {
    if (state == 0 && !isInRun) at = runToName(at);
    if (at == end) break;
    isInRun = false;
    const next = is(load<u8>(at), HOST) ? takeRun(at) : takeOther(at);
    if (next == at) break;
    at = next;
  }
  setResult(RESULT_CONSUMED, <u32>(at - origin));
  setResult(RESULT_HOST_STATE, state);
  return count;
}

/** The beginning of the run around the next dot, or the next two slashes, or of the run at the end. */
function runToName(from: usize): usize {
  let at = from;
  const dots = v128.load(SIXTEEN_DOT);
  const slashes = v128.load(SIXTEEN_SLASH);
  const backslashes = v128.load(SIXTEEN_BACKSLASH);
  // The octet after the last of the sixteen is looked at, too.
  while (at + 16 < end) {
    const here = v128.load(at);
    const marks = v128.or(
      i8x16.eq(here, dots),
      v128.or(i8x16.eq(here, slashes), i8x16.eq(here, backslashes)),
    );
    let places = <u32>i8x16.bitmask(marks);
    while (places != 0) {
      const place = at + <usize>ctz(places);
      if (isAnchor(place)) return runStart(place, from);
      places &= places - 1;
    }
    at += 16;
  }
  return runStart(at, from);
}

function isAnchor(at: usize): bool {
  const next = load<u8>(at, 1);
  return load<u8>(at) == DOT ? next > BEFORE_NAMES && next != DOT : isSlash(next);
}

function runStart(at: usize, from: usize): usize {
  let start = at;
  while (start > from && is(load<u8>(start - 1), HOST)) start--;
  return start;
}

function isSlash(octet: u32): bool {
  return octet == SLASH || octet == BACKSLASH;
}

/** Enters the run that begins at `start` if it counts. Returns where it ends; `start` itself if that is not known yet, or the table is full. */
function takeRun(start: usize): usize {
  if ((state & HOSTS_SKIP) != 0) return skipRun(start);
  // The fast gear does not look at single slashes.
  state &= ~(<u32>HOSTS_SLASH);
  const first = load<u8>(start);
  if (first == DOT) {
    state &= HOSTS_AUTHORITY;
    return start + 1;
  }
  let flags: u32 = 0;
  let firstDot: usize = 0;
  let lastDot: usize = 0;
  let segment = start;
  let wasHigh = first >= 0x80;
  let at = start;
  for (; at < end; at++) {
    const octet = load<u8>(at);
    if (!is(octet, HOST) || (octet == DOT && lastDot != 0 && lastDot + 1 == at)) break;
    if (at - start == MAX_HOST_RUN) return cutRun(start, segment > start ? segment : at, flags, firstDot);
    const isHigh = octet >= 0x80;
    if (isHigh != wasHigh) {
      segment = at;
      wasHigh = isHigh;
    }
    if (isHigh) flags |= HOST_EIGHT_BIT;
    else if (octet == PERCENT) flags |= HOST_PERCENT;
    else if (octet == DOT) {
      lastDot = at;
      if (firstDot == 0) firstDot = at;
    }
  }
  if (at == end && !isAtEnd) return start;
  if (at < end && load<u8>(at) == AT) return leaveRun(at);
  const to = lastDot + 1 == at ? lastDot : at;
  if ((state & HOSTS_START) != 0) flags |= HOST_AUTHORITY;
  else if (firstDot == 0 || firstDot >= to) return leaveRun(at);
  return enter(start, to, flags) ? leaveRun(at) : start;
}

function leaveRun(at: usize): usize {
  state &= HOSTS_AUTHORITY;
  return at;
}

/** A run that is too long for any name ends where octets of another kind begin; if all are ASCII, the rest of it is passed over. */
function cutRun(start: usize, cut: usize, flags: u32, firstDot: usize): usize {
  const isMixed = (flags & HOST_EIGHT_BIT) != 0;
  if (isMixed && firstDot != 0 && firstDot < cut && !enter(start, cut, flags | HOST_PIECE)) return start;
  state &= HOSTS_AUTHORITY;
  if (!isMixed) state |= HOSTS_SKIP;
  isInRun = true;
  return cut;
}

function skipRun(start: usize): usize {
  let at = start;
  while (at < end) {
    const octet = load<u8>(at);
    if (octet >= 0x80 || !is(octet, HOST)) {
      state &= ~(<u32>HOSTS_SKIP);
      break;
    }
    at++;
  }
  return at == start ? takeRun(start) : at;
}

/** False if there is no place any more. */
function enter(from: usize, to: usize, flags: u32): bool {
  if (count == MAX_HOSTS) return false;
  const entry = <usize>HOSTS + ((<usize>(count * HOST_WORDS)) << 2);
  setWord(entry, HOST_FROM, <u32>(from - origin));
  setWord(entry, HOST_TO, <u32>(to - origin));
  setWord(entry, HOST_FLAGS, flags);
  count++;
  return true;
}

/** An octet that is in no run: what may stand after it. */
function takeOther(at: usize): usize {
  const octet = load<u8>(at);
  state &= ~(<u32>HOSTS_SKIP);
  if (isSlash(octet)) {
    state = (state & HOSTS_SLASH) != 0 ? HOSTS_SLASH | HOSTS_AUTHORITY | HOSTS_START : HOSTS_SLASH;
    return at + 1;
  }
  if (octet == OPEN_BRACKET && (state & HOSTS_START) != 0) return takeLiteral(at);
  const isInAuthority = (state & HOSTS_AUTHORITY) != 0 && !endsAuthority(octet);
  state = 0;
  if (isInAuthority) state = octet == AT ? HOSTS_AUTHORITY | HOSTS_START : HOSTS_AUTHORITY;
  return at + 1;
}

function endsAuthority(octet: u32): bool {
  return (
    octet <= SP ||
    octet == DELETE ||
    octet == QUESTION ||
    octet == HASH ||
    octet == LESS ||
    octet == GREATER ||
    octet == QUOTE
  );
}

/** An address between brackets; anything else after the bracket is read as if it were not there. */
function takeLiteral(bracket: usize): usize {
  const start = bracket + 1;
  let at = start;
  while (at < end && at - start <= MAX_LITERAL && isOfAddress(load<u8>(at))) at++;
  if (at == end && at - start <= MAX_LITERAL && !isAtEnd) return bracket;
  const isLiteral = at > start && at < end && at - start <= MAX_LITERAL && load<u8>(at) == CLOSE_BRACKET;
  if (isLiteral && !enter(start, at, HOST_AUTHORITY | HOST_BRACKETS)) return bracket;
  state = HOSTS_AUTHORITY;
  return isLiteral ? at + 1 : start;
}

/** Hexadecimal digits, colons and dots. RFC 4291 section 2.2. */
function isOfAddress(octet: u32): bool {
  const letter = octet | 0x20;
  return (octet >= 0x30 && octet <= COLON) || octet == DOT || (letter >= 0x61 && letter <= 0x66);
}
