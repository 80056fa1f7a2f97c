/**
 * Mail data: where it ends, which dots are dropped, and what it contains (RFC 5321 section 4.5.2).
 *
 * Three gears. `data-clean` takes 64 octets a step as long as nothing but ordinary CRLF lines comes by.
 * `data-block` works out anything else with bit arithmetic over at most 64 octets. `data-dot` goes octet by octet
 * where a dot at the beginning of a line stands too near to the end of a block or chunk to be judged.
 *
 * The octets in memory in front of the position carry the state: CR LF means start of a line, and so on. At the
 * beginning of a chunk `recallPast` writes them there.
 */

import { examineBlock } from './data-block';
import { runOverCleanText } from './data-clean';
import { settleDot } from './data-dot';
import { recallPast, slotAddress, stateFromPast } from './data-past';
import { currentMode, dropsBefore, foundFlags, lineSoFar, longestSoFar, startTally } from './data-tally';
import {
  RESULT_CARRIED_CR,
  RESULT_CONSUMED,
  RESULT_CONTENT_END,
  RESULT_DROP_COUNT,
  SLOT_FLAGS,
  SLOT_LINE,
  SLOT_LONGEST,
  SLOT_OCTETS,
  SLOT_OCTETS_LOW,
  SLOT_STATE,
} from './layout';
import { LF } from './octets';
import { setResult, setWord, word } from './table';
import {
  STATE_BARE_LF_DOT,
  STATE_BARE_LF_DOT_CR,
  STATE_CR,
  STATE_DOT,
  STATE_DOT_CR,
  STATE_END,
  STATE_MIDDLE,
} from './words';

/** Puts a slot into the state "at the start of the first line". */
export function openSlot(slot: i32): void {
  memory.fill(slotAddress(slot), 0, SLOT_OCTETS);
}

/**
 * Scans `length` octets (at most a window) at `input`. Returns 1 at the end of data, else 0; what else there is to
 * know stands in the slot, in `RESULT` and in `DROPS`. After the end it reads nothing any more.
 */
export function scanData(slot: i32, input: i32, length: i32): i32 {
  const slotWords = slotAddress(slot);
  const before = word(slotWords, SLOT_STATE);
  if (before == STATE_END || length <= 0) {
    leaveResult(0, 0, 0, 0);
    return before == STATE_END ? 1 : 0;
  }
  const start = <usize>input;
  const end = start + <usize>length;
  const mode = isWithDot(before) ? before : <u32>STATE_MIDDLE;
  startTally(
    start,
    mode,
    word(slotWords, SLOT_FLAGS),
    word(slotWords, SLOT_LINE),
    word(slotWords, SLOT_LONGEST),
  );
  recallPast(start, before);
  const carriedCr: u32 = before == STATE_DOT_CR && load<u8>(start) != LF ? 1 : 0;

  const stopped = scan(start, end);
  const after = currentMode() == STATE_MIDDLE ? stateFromPast(end) : currentMode();
  const contentEnd = endOfContent(after, <u32>(stopped - start));
  const drops = dropsBefore(contentEnd);
  const pendingCr: u32 = after == STATE_CR || after == STATE_BARE_LF_DOT_CR ? 1 : 0;

  setWord(slotWords, SLOT_STATE, after);
  setWord(slotWords, SLOT_FLAGS, foundFlags());
  setWord(slotWords, SLOT_LONGEST, longestSoFar(pendingCr));
  setWord(slotWords, SLOT_LINE, lineSoFar());
  const total = slotWords + (SLOT_OCTETS_LOW << 2);
  store<u64>(total, load<u64>(total) + <u64>(contentEnd - drops + carriedCr));
  leaveResult(<u32>(stopped - start), contentEnd, drops, carriedCr);
  return after == STATE_END ? 1 : 0;
}

/** Changes gears until `end` or the end of data; returns where it stopped. */
function scan(start: usize, end: usize): usize {
  let at = start;
  while (at < end) {
    if (currentMode() != STATE_MIDDLE) at = settleDot(at, end);
    else {
      if (at + 64 <= end) at = runOverCleanText(at, end);
      if (at < end) at = examineBlock(at, end);
    }
    if (currentMode() == STATE_END) break;
  }
  return at;
}

function isWithDot(state: u32): bool {
  return (
    state == STATE_DOT || state == STATE_DOT_CR || state == STATE_BARE_LF_DOT || state == STATE_BARE_LF_DOT_CR
  );
}

/** What the dot of an unfinished or finished end of data, and the CR after it, leave of `octets` as content. */
function endOfContent(state: u32, octets: u32): u32 {
  let behind: u32 = 0;
  if (state == STATE_DOT) behind = 1;
  if (state == STATE_DOT_CR) behind = 2;
  if (state == STATE_END) behind = 3;
  return octets > behind ? octets - behind : 0;
}

function leaveResult(consumed: u32, contentEnd: u32, drops: u32, carriedCr: u32): void {
  setResult(RESULT_CONSUMED, consumed);
  setResult(RESULT_CONTENT_END, contentEnd);
  setResult(RESULT_DROP_COUNT, drops);
  setResult(RESULT_CARRIED_CR, carriedCr);
}
