/** The header of a message: an index of its fields (RFC 5322 section 2.2). */

import { findFieldId } from './field-names';
import { FIELDS, HEADER_INPUT, RESULT_BODY_OFFSET, RESULT_HEADER_FLAGS } from './layout';
import { COLON, CR, FIELD_TEXT, is, isBlank, LF, SIXTEEN_LF } from './octets';
import { setResult, setWord } from './table';
import {
  FIELD_FOLDED,
  FIELD_ID,
  FIELD_MALFORMED,
  FIELD_NAME,
  FIELD_NAME_END,
  FIELD_NEXT,
  FIELD_VALUE,
  FIELD_VALUE_END,
  FIELD_WORDS,
  HEADER_LEADING_FOLD,
  HEADER_MALFORMED,
  HEADER_TOO_MANY_FIELDS,
  HEADER_UNFINISHED,
  MAX_HEADER_FIELDS,
} from './words';

/**
 * Indexes `length` octets at `HEADER_INPUT`. Returns the number of entries in `FIELDS`; the place of the empty line
 * and the flags stand in `RESULT`. Fields that find no room in the index are still read, for the empty line's sake.
 */
export function indexHeader(length: i32): i32 {
  const origin = <usize>HEADER_INPUT;
  const end = origin + <usize>length;
  let at = origin;
  let count = 0;
  let flags: u32 = HEADER_UNFINISHED;
  let body: i32 = -1;
  if (at < end && isBlank(load<u8>(at))) flags |= HEADER_LEADING_FOLD;
  while (at < end) {
    if (isEmptyLine(at, end)) {
      flags &= ~HEADER_UNFINISHED;
      body = <i32>(at - origin);
      break;
    }
    const isIndexed = count < MAX_HEADER_FIELDS;
    if (!isIndexed) flags |= HEADER_TOO_MANY_FIELDS;
    // An entry after the last one takes what is read for nothing.
    const entry = <usize>FIELDS + ((<usize>(count * FIELD_WORDS)) << 2);
    at = readField(entry, at, end);
    if ((load<u32>(entry, FIELD_ID << 2) & 0xff) == FIELD_MALFORMED) flags |= HEADER_MALFORMED;
    if (isIndexed) count++;
  }
  setResult(RESULT_BODY_OFFSET, body);
  setResult(RESULT_HEADER_FLAGS, flags);
  return count;
}

function isEmptyLine(at: usize, end: usize): bool {
  const octet = load<u8>(at);
  return octet == LF || (octet == CR && at + 1 < end && load<u8>(at + 1) == LF);
}

/** Reads the field at `line` with its continuation lines into `entry`; returns where the next one starts. */
function readField(entry: usize, line: usize, end: usize): usize {
  const origin = <usize>HEADER_INPUT;
  let nameEnd = line;
  while (nameEnd < end && is(load<u8>(nameEnd), FIELD_TEXT)) nameEnd++;
  let value = nameEnd;
  while (value < end && isBlank(load<u8>(value))) value++;
  let id: u32 = FIELD_MALFORMED;
  if (nameEnd != line && value < end && load<u8>(value) == COLON) {
    id = findFieldId(line, <u32>(nameEnd - line));
    value++;
    while (value < end && isBlank(load<u8>(value))) value++;
  } else {
    nameEnd = line;
    value = line;
  }
  let lf = findLf(value, end);
  while (lf + 1 < end && isBlank(load<u8>(lf + 1))) {
    id |= FIELD_FOLDED;
    lf = findLf(lf + 1, end);
  }
  const hasCr = lf < end && lf > value && load<u8>(lf - 1) == CR;
  const next = lf < end ? lf + 1 : end;
  setWord(entry, FIELD_NAME, <u32>(line - origin));
  setWord(entry, FIELD_NAME_END, <u32>(nameEnd - origin));
  setWord(entry, FIELD_VALUE, <u32>(value - origin));
  setWord(entry, FIELD_VALUE_END, <u32>((hasCr ? lf - 1 : lf) - origin));
  setWord(entry, FIELD_ID, id);
  setWord(entry, FIELD_NEXT, <u32>(next - origin));
  return next;
}

/** The first LF at `from` or after it, or `end`. */
function findLf(from: usize, end: usize): usize {
  const lf = v128.load(SIXTEEN_LF);
  let at = from;
  while (at < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), lf));
    if (found != 0) return min(at + <usize>ctz(found), end);
    at += 16;
  }
  return end;
}
