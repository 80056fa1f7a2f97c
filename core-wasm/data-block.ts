/** The exact gear of the data scanner: any 64 octets, by bit arithmetic. */

import { addFlags, addToLine, endLine, noteDrop, setMode } from './data-tally';
import { CR, highBits64, LF, mask64, SIXTEEN_CR, SIXTEEN_DOT, SIXTEEN_LF, SIXTEEN_NUL } from './octets';
import {
  DATA_BARE_CR,
  DATA_BARE_LF,
  DATA_EIGHT_BIT,
  DATA_LOOK_ALIKE,
  DATA_NUL,
  STATE_BARE_LF_DOT,
  STATE_DOT,
  STATE_END,
} from './words';

/**
 * Takes up to 64 octets, whatever they are. Returns where it stopped: after the block, after the end of data, or
 * at a dot whose two followers lie outside the block (`mode` then says which sort of dot, and it is taken).
 */
export function examineBlock(at: usize, end: usize): usize {
  let length = <u32>min<usize>(64, end - at);
  let valid: u64 = length == 64 ? ~(<u64>0) : ((<u64>1) << length) - 1;
  const past = load<u8>(at - 1);
  const cr = mask64(at, SIXTEEN_CR) & valid;
  const lf = mask64(at, SIXTEEN_LF) & valid;
  const dots = mask64(at, SIXTEEN_DOT) & valid;

  const afterCr = ((cr << 1) | (<u64>(past == CR))) & valid;
  const afterCrlf = past == LF && load<u8>(at - 2) == CR;
  const afterBareLf = past == LF && !afterCrlf;
  let lineDots = dots & (((lf & afterCr) << 1) | (<u64>afterCrlf));
  const bareLfDots = dots & (((lf & ~afterCr) << 1) | (<u64>afterBareLf));

  const ends = (lineDots << 2) & afterCr & lf;
  let stop = at + <usize>length;
  let isLineDot = false;
  let undecided: u64 = 0;
  if (ends != 0) {
    const last = <u32>ctz(ends);
    stop = at + <usize>last + 1;
    length = last - 2;
    setMode(STATE_END);
    valid = ((<u64>1) << length) - 1;
  } else {
    undecided = (lineDots | bareLfDots) & valid & ~(valid >> 2);
    if (undecided != 0) {
      length = <u32>ctz(undecided);
      stop = at + <usize>length;
      valid = ((<u64>1) << length) - 1;
      isLineDot = (lineDots & undecided) != 0;
      setMode(isLineDot ? STATE_DOT : STATE_BARE_LF_DOT);
    }
  }
  lineDots &= valid;
  noteContent(at, valid, lf, afterCr, lineDots, bareLfDots & valid);
  measureLines(length, lf & valid, afterCr, lineDots);
  noteDrops(at, lineDots);
  if (ends != 0 || undecided == 0) return stop;
  if (isLineDot) noteDrop(stop);
  else addToLine(1);
  return stop + 1;
}

/** Sets the flags for the octets in `valid`. */
function noteContent(at: usize, valid: u64, lf: u64, afterCr: u64, lineDots: u64, bareLfDots: u64): void {
  if ((afterCr & ~lf & valid) != 0) addFlags(DATA_BARE_CR);
  if ((lf & ~afterCr & valid) != 0) addFlags(DATA_BARE_LF);
  const followedByLf = ((lineDots | bareLfDots) << 1) & lf;
  const followedByCrlf = (bareLfDots << 2) & afterCr & lf;
  if (((followedByLf | followedByCrlf) & valid) != 0) addFlags(DATA_LOOK_ALIKE);
  if ((mask64(at, SIXTEEN_NUL) & valid) != 0) addFlags(DATA_NUL);
  if ((highBits64(at) & valid) != 0) addFlags(DATA_EIGHT_BIT);
}

/** Measures the lines that end at the bits of `lf`, and adds the rest of `length` octets to the current line. */
function measureLines(length: u32, lf: u64, afterCr: u64, lineDots: u64): void {
  let start: u32 = 0;
  let rest = lf;
  while (rest != 0) {
    const end = <u32>ctz(rest);
    const dropped = <u32>((lineDots >> start) & 1);
    const cr = <u32>((afterCr >> end) & 1);
    endLine(<i32>(end - start - dropped - cr));
    start = end + 1;
    rest &= rest - 1;
  }
  if (start < length) addToLine(length - start - <u32>((lineDots >> start) & 1));
}

function noteDrops(at: usize, lineDots: u64): void {
  let rest = lineDots;
  while (rest != 0) {
    noteDrop(at + <usize>ctz(rest));
    rest &= rest - 1;
  }
}
