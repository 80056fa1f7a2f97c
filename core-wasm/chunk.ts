/**
 * Content that comes in chunks of announced size (RFC 3030 section 2): no dots are stuffed and none ends anything.
 * What is to be known are its lines and its octets, for the same flags that `data` sets.
 */

import { runOverCleanText } from './data-clean';
import { recallPast, slotAddress, stateFromPast } from './data-past';
import { addFlags, addToLine, endLine, foundFlags, lineSoFar, longestSoFar, startTally } from './data-tally';
import { SLOT_FLAGS, SLOT_LINE, SLOT_LONGEST, SLOT_OCTETS_LOW, SLOT_STATE } from './layout';
import { CR, LF } from './octets';
import { setWord, word } from './table';
import { DATA_BARE_CR, DATA_BARE_LF, DATA_EIGHT_BIT, DATA_NUL, STATE_CR, STATE_MIDDLE } from './words';

/** Scans `length` octets (at most a window) at `input`; what there is to know stands in the slot. */
export function scanChunk(slot: i32, input: i32, length: i32): void {
  if (length <= 0) return;
  const slotWords = slotAddress(slot);
  const start = <usize>input;
  const end = start + <usize>length;
  startTally(
    start,
    STATE_MIDDLE,
    word(slotWords, SLOT_FLAGS),
    word(slotWords, SLOT_LINE),
    word(slotWords, SLOT_LONGEST),
  );
  recallPast(start, word(slotWords, SLOT_STATE));
  let at = start;
  while (at < end) {
    if (at + 64 <= end) at = runOverCleanText(at, end);
    if (at < end) at = examinePlainly(at, min<usize>(at + 64, end));
  }
  const after = stateFromPast(end);
  setWord(slotWords, SLOT_STATE, after);
  setWord(slotWords, SLOT_FLAGS, foundFlags());
  setWord(slotWords, SLOT_LONGEST, longestSoFar(after == STATE_CR ? 1 : 0));
  setWord(slotWords, SLOT_LINE, lineSoFar());
  const total = slotWords + (SLOT_OCTETS_LOW << 2);
  store<u64>(total, load<u64>(total) + <u64>length);
}

/** Octet by octet where the fast gear stopped: about 1 GB/s, whatever the octets are. Returns `end`. */
function examinePlainly(from: usize, end: usize): usize {
  let previous = load<u8>(from - 1);
  for (let at = from; at < end; at++) {
    const octet = load<u8>(at);
    if (octet == LF) {
      if (previous != CR) addFlags(DATA_BARE_LF);
      endLine(previous == CR ? -1 : 0);
    } else {
      if (previous == CR) addFlags(DATA_BARE_CR);
      if (octet == 0) addFlags(DATA_NUL);
      if (octet >= 0x80) addFlags(DATA_EIGHT_BIT);
      addToLine(1);
    }
    previous = octet;
  }
  return end;
}
