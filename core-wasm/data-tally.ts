/**
 * What the `data` call under way has found so far. JavaScript runs a call to its end, so that globals are safe.
 */

import { DROPS } from './layout';

/** Lines are counted up to this length: a counter that wraps would let an endless line look short again. */
const LINE_LIMIT: u32 = 0x4000_0000;

let origin: usize = 0;
let mode: u32 = 0;
let flags: u32 = 0;
let line: u32 = 0;
let longest: u32 = 0;
let dropCount: u32 = 0;

/** Begins a call at `input` with what the slot says of the message so far. */
export function startTally(input: usize, startMode: u32, flagsSoFar: u32, octets: u32, most: u32): void {
  origin = input;
  mode = startMode;
  flags = flagsSoFar;
  line = octets;
  longest = most;
  dropCount = 0;
}

/** One of the states with a dot, `STATE_END`, or `STATE_MIDDLE` for all that the octets in memory tell. */
export function currentMode(): u32 {
  return mode;
}

/** Sets what `currentMode` returns. */
export function setMode(next: u32): void {
  mode = next;
}

/** Adds to the flags of the message, an or of `DATA_` words. */
export function addFlags(found: u32): void {
  flags |= found;
}

/** The flags of the message, those of earlier calls included. */
export function foundFlags(): u32 {
  return flags;
}

/** Octets of the current line so far, a CR at its end included. */
export function lineSoFar(): u32 {
  return line;
}

/** Lengthens the current line. */
export function addToLine(octets: u32): void {
  line += octets;
}

/** Sets both line lengths, for a caller that kept its own count. */
export function setLines(octets: u32, most: u32): void {
  line = octets;
  longest = most;
}

/** The line ends here: `octets` more, less the CR of its line end and a dropped dot. */
export function endLine(octets: i32): void {
  longest = max(longest, line + <u32>octets);
  line = 0;
}

/** The longest line, the unfinished one included but for `pendingCr` octets at its end. */
export function longestSoFar(pendingCr: u32): u32 {
  if (line > LINE_LIMIT) line = LINE_LIMIT;
  return max(longest, line - pendingCr);
}

/** The longest line that has ended. */
export function longestEnded(): u32 {
  return longest;
}

/** Notes that the dot at `at` is no content. */
export function noteDrop(at: usize): void {
  store<u32>(DROPS + (dropCount << 2), <u32>(at - origin));
  dropCount++;
}

/** The number of drops in front of `contentEnd`: only the last one can lie behind it. */
export function dropsBefore(contentEnd: u32): u32 {
  const isBehind = dropCount != 0 && load<u32>(DROPS + ((dropCount - 1) << 2)) >= contentEnd;
  return isBehind ? dropCount - 1 : dropCount;
}
