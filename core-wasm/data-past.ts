/** How one call of a scan takes up where the one before has stopped. */

import { SLOTS, SLOT_OCTETS } from './layout';
import { CR, DOT, LF, SP } from './octets';
import {
  STATE_BARE_LF,
  STATE_BARE_LF_DOT,
  STATE_BARE_LF_DOT_CR,
  STATE_CR,
  STATE_DOT,
  STATE_DOT_CR,
  STATE_LINE_START,
  STATE_MIDDLE,
} from './words';

/** Where the words of a slot stand. */
export function slotAddress(slot: i32): usize {
  return <usize>SLOTS + <usize>slot * <usize>SLOT_OCTETS;
}

/** Writes the two octets in front of the chunk that bring the state back. */
export function recallPast(start: usize, state: u32): void {
  let first: u32 = SP;
  let second: u32 = SP;
  if (state == STATE_LINE_START) first = CR;
  if (state == STATE_DOT_CR || state == STATE_BARE_LF_DOT_CR) first = DOT;
  if (state == STATE_LINE_START || state == STATE_BARE_LF) second = LF;
  if (state == STATE_CR || state == STATE_DOT_CR || state == STATE_BARE_LF_DOT_CR) second = CR;
  if (state == STATE_DOT || state == STATE_BARE_LF_DOT) second = DOT;
  store<u8>(start - 2, first);
  store<u8>(start - 1, second);
}

/** The state that the last two octets in front of `end` stand for, no dot being undecided. */
export function stateFromPast(end: usize): u32 {
  const last = load<u8>(end - 1);
  if (last == CR) return STATE_CR;
  if (last != LF) return STATE_MIDDLE;
  return load<u8>(end - 2) == CR ? STATE_LINE_START : STATE_BARE_LF;
}
