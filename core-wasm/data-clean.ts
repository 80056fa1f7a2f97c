/** The fast gear of the data scanner: text in CRLF lines that needs no decision. */

import { addFlags, lineSoFar, longestEnded, setLines } from './data-tally';
import { SIXTEEN_ALL_ONES, SIXTEEN_CR, SIXTEEN_DOT, SIXTEEN_LF } from './octets';
import { DATA_EIGHT_BIT, DATA_NUL } from './words';

/** From this length on a line cannot lie inside one step of 64 octets. */
const LONGEST_INSIDE: u32 = 62;

/**
 * Goes on in steps of 64 octets while there is no bare CR, no bare LF and no dot at the beginning of a line.
 * Returns the first octet of the step that has one, or of the rest too short for a step.
 *
 * Comparisons with the octet before (loads at `past`) replace any carrying of bits from step to step. What a step
 * adds to `every` and `least` counts only once the step is accepted: after the end of data nothing is looked at.
 */
export function runOverCleanText(from: usize, end: usize): usize {
  const lf = v128.load(SIXTEEN_LF);
  const cr = v128.load(SIXTEEN_CR);
  const dot = v128.load(SIXTEEN_DOT);
  let every = v128.xor(lf, lf);
  let least = v128.load(SIXTEEN_ALL_ONES);
  let line = lineSoFar();
  let longest = longestEnded();
  let past = from - 1;
  const last = end - 65;

  while (past <= last) {
    let here = v128.load(past, 1);
    let isLf = i8x16.eq(here, lf);
    let odd = oddIn(here, isLf, v128.load(past), lf, cr, dot);
    let everyNow = v128.or(every, here);
    let leastNow = i8x16.min_u(least, here);
    let lines = bits(isLf);

    here = v128.load(past, 17);
    isLf = i8x16.eq(here, lf);
    odd = v128.or(odd, oddIn(here, isLf, v128.load(past, 16), lf, cr, dot));
    everyNow = v128.or(everyNow, here);
    leastNow = i8x16.min_u(leastNow, here);
    lines |= bits(isLf) << 16;

    here = v128.load(past, 33);
    isLf = i8x16.eq(here, lf);
    odd = v128.or(odd, oddIn(here, isLf, v128.load(past, 32), lf, cr, dot));
    everyNow = v128.or(everyNow, here);
    leastNow = i8x16.min_u(leastNow, here);
    lines |= bits(isLf) << 32;

    here = v128.load(past, 49);
    isLf = i8x16.eq(here, lf);
    odd = v128.or(odd, oddIn(here, isLf, v128.load(past, 48), lf, cr, dot));
    everyNow = v128.or(everyNow, here);
    leastNow = i8x16.min_u(leastNow, here);
    lines |= bits(isLf) << 48;

    if (v128.any_true(odd)) break;
    every = everyNow;
    least = leastNow;
    past += 64;
    if (lines != 0) {
      longest = max(longest, line + <u32>ctz(lines) - 1);
      if (longest < LONGEST_INSIDE) longest = longestInside(lines, longest);
      line = <u32>clz(lines);
    } else line += 64;
  }
  setLines(line, longest);
  if (i8x16.bitmask(every) != 0) addFlags(DATA_EIGHT_BIT);
  if (!i8x16.all_true(least)) addFlags(DATA_NUL);
  return past + 1;
}

/** A bare LF, a bare CR (seen at the octet after it), or a dot after any LF. */
function oddIn(here: v128, isLf: v128, previous: v128, lf: v128, cr: v128, dot: v128): v128 {
  return v128.or(
    v128.xor(isLf, i8x16.eq(previous, cr)),
    v128.and(i8x16.eq(here, dot), i8x16.eq(previous, lf)),
  );
}

function bits(matches: v128): u64 {
  return <u64>(<u32>i8x16.bitmask(matches));
}

/** The longest of `atLeast` and the CRLF lines that lie between two of the line ends in `lines`. */
function longestInside(lines: u64, atLeast: u32): u32 {
  let longest = atLeast;
  let previous = <u32>ctz(lines);
  let rest = lines & (lines - 1);
  while (rest != 0) {
    const next = <u32>ctz(rest);
    longest = max(longest, next - previous - 2);
    previous = next;
    rest &= rest - 1;
  }
  return longest;
}
