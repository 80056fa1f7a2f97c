/** The slow gear of the data scanner: octet by octet from after a dot until it is plain what that dot was. */

import { addFlags, addToLine, currentMode, endLine, setMode } from './data-tally';
import { CR, LF } from './octets';
import {
  DATA_BARE_LF,
  DATA_LOOK_ALIKE,
  STATE_BARE_LF_DOT,
  STATE_BARE_LF_DOT_CR,
  STATE_DOT,
  STATE_DOT_CR,
  STATE_END,
  STATE_MIDDLE,
} from './words';

/** Returns the first octet that belongs to the text again, or the octet after the end of data, or `end`. */
export function settleDot(from: usize, end: usize): usize {
  let at = from;
  while (at < end) {
    const octet = load<u8>(at);
    if (octet == LF) {
      settleAtLf();
      return at + 1;
    }
    const mode = currentMode();
    const isAfterCr = mode == STATE_DOT_CR || mode == STATE_BARE_LF_DOT_CR;
    if (octet != CR || isAfterCr) {
      if (mode == STATE_DOT_CR) addToLine(1);
      setMode(STATE_MIDDLE);
      return at;
    }
    if (mode == STATE_BARE_LF_DOT) addToLine(1);
    setMode(mode == STATE_DOT ? STATE_DOT_CR : STATE_BARE_LF_DOT_CR);
    at++;
  }
  return at;
}

/** The LF after a dot, or after a dot and a CR. */
function settleAtLf(): void {
  const mode = currentMode();
  if (mode == STATE_DOT_CR) {
    setMode(STATE_END);
    return;
  }
  addFlags(DATA_LOOK_ALIKE);
  if (mode != STATE_BARE_LF_DOT_CR) addFlags(DATA_BARE_LF);
  endLine(mode == STATE_BARE_LF_DOT_CR ? -1 : 0);
  setMode(STATE_MIDDLE);
}
