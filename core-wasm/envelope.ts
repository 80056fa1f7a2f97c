/**
 * The argument of a MAIL or RCPT in its plain form: a reverse-path or forward-path and ESMTP parameters (RFC 5321
 * section 4.1.2). Anything less plain, legal or not, is left to the host's own parser.
 *
 * The octet at the end of a line is CR or LF. It is in none of the classes, so no loop here needs a bound.
 */

import { PARAMETERS } from './layout';
import { AT, COLON, DOT, EQUALS, GREATER, HYPHEN, is, LESS, SP } from './octets';
import { ATEXT, LETTER_DIGIT, LETTER_DIGIT_HYPHEN, PARAMETER_VALUE } from './octets';
import { setWord } from './table';
import { COMMAND_AT, COMMAND_PATH, COMMAND_PATH_END, MAX_PARAMETERS, PARAMETER_WORDS } from './words';

export const NOT_CANONICAL: i32 = -1;
/** The parameter table has no room left. */
export const TABLE_FULL: i32 = -2;

const MAX_LOCAL_PART: usize = 64;
const MAX_DOMAIN: usize = 255;

/** `from` and `to:` in small letters, as little-endian words. */
const FROM: u32 = 0x6d6f_7266;
const TO_COLON: u32 = 0x003a_6f74;
const SMALL_FOUR: u32 = 0x2020_2020;
const SMALL_TWO: u32 = 0x0000_2020;

/**
 * Reads the argument at `argument`. Returns the number of parameters, having written them and the three path words
 * of `record`; or `NOT_CANONICAL`, or `TABLE_FULL`.
 */
export function readEnvelope(
  record: usize,
  origin: usize,
  argument: usize,
  lineEnd: usize,
  firstParameter: i32,
  isMail: bool,
): i32 {
  const path = isMail ? behindFrom(argument, lineEnd) : behindTo(argument, lineEnd);
  if (path == 0 || load<u8>(path) != LESS) return NOT_CANONICAL;
  let at: usize = 0;
  let pathEnd = path + 2;
  if (!isMail || load<u8>(path + 1) != GREATER) {
    at = endOfDotString(path + 1);
    if (at == 0 || load<u8>(at) != AT || at - path - 1 > MAX_LOCAL_PART) return NOT_CANONICAL;
    const domainEnd = endOfDomain(at + 1);
    if (domainEnd == 0 || load<u8>(domainEnd) != GREATER || domainEnd - at - 1 > MAX_DOMAIN)
      return NOT_CANONICAL;
    pathEnd = domainEnd + 1;
  }
  setWord(record, COMMAND_PATH, <u32>(path - origin));
  setWord(record, COMMAND_PATH_END, <u32>(pathEnd - origin));
  setWord(record, COMMAND_AT, at == 0 ? -1 : <u32>(at - origin));
  return readParameters(origin, pathEnd, lineEnd, firstParameter);
}

/** The octet after `FROM:`, or 0. */
function behindFrom(at: usize, lineEnd: usize): usize {
  if (at + 5 > lineEnd || (load<u32>(at) | SMALL_FOUR) != FROM || load<u8>(at, 4) != COLON) return 0;
  return at + 5;
}

/** The octet after `TO:`, or 0. */
function behindTo(at: usize, lineEnd: usize): usize {
  if (at + 3 > lineEnd || ((load<u32>(at) & 0x00ff_ffff) | SMALL_TWO) != TO_COLON) return 0;
  return at + 3;
}

/** The octet after the dot-string at `from`, or 0 if there is none. */
function endOfDotString(from: usize): usize {
  let at = from;
  while (true) {
    let octet: u32 = load<u8>(at);
    if (!is(octet, ATEXT)) return 0;
    while (is(octet, ATEXT)) {
      at++;
      octet = load<u8>(at);
    }
    if (octet != DOT) return at;
    at++;
  }
}

/** The octet after the domain at `from`, or 0 if there is none. */
function endOfDomain(from: usize): usize {
  let at = from;
  while (true) {
    let octet: u32 = load<u8>(at);
    if (!is(octet, LETTER_DIGIT)) return 0;
    let last = octet;
    while (is(octet, LETTER_DIGIT_HYPHEN)) {
      last = octet;
      at++;
      octet = load<u8>(at);
    }
    if (last == HYPHEN) return 0;
    if (octet != DOT) return at;
    at++;
  }
}

/** Reads `SP keyword[=value]` until the end of the line. */
function readParameters(origin: usize, from: usize, lineEnd: usize, first: i32): i32 {
  let at = from;
  let index = first;
  while (at != lineEnd) {
    if (load<u8>(at) != SP || !is(load<u8>(at, 1), LETTER_DIGIT)) return NOT_CANONICAL;
    if (index == MAX_PARAMETERS) return TABLE_FULL;
    const keyword = at + 1;
    const keywordEnd = endOfClass(keyword, LETTER_DIGIT_HYPHEN);
    const entry = <usize>PARAMETERS + ((<usize>(index * PARAMETER_WORDS)) << 2);
    setWord(entry, 0, <u32>(keyword - origin));
    setWord(entry, 1, <u32>(keywordEnd - origin));
    at = keywordEnd;
    if (load<u8>(at) == EQUALS) {
      at = endOfClass(keywordEnd + 1, PARAMETER_VALUE);
      if (at == keywordEnd + 1) return NOT_CANONICAL;
      setWord(entry, 2, <u32>(keywordEnd + 1 - origin));
      setWord(entry, 3, <u32>(at - origin));
    } else {
      setWord(entry, 2, -1);
      setWord(entry, 3, -1);
    }
    index++;
  }
  return index - first;
}

function endOfClass(from: usize, octetClass: u32): usize {
  let at = from;
  while (is(load<u8>(at), octetClass)) at++;
  return at;
}
