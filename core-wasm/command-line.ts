/** One command line: its end, and which octets it contains that a command should not. */

import { CR, DELETE, HT, LF, SIXTEEN_GRAPHIC_SPAN, SIXTEEN_SP, SP } from './octets';
import { LINE_BARE_CR, LINE_BARE_LF, LINE_CONTROL, LINE_EIGHT_BIT, LINE_NUL } from './words';

let flags: u32 = 0;
let next: usize = 0;

/** What the line found last contains. */
export function lineFlags(): u32 {
  return flags;
}

/** The octet after the line end found last. */
export function nextLine(): usize {
  return next;
}

/** Finds the end of the line at `from`; 0 if it is not complete. Graphic octets and SP pass sixteen at a time. */
export function findLineEnd(from: usize, end: usize): usize {
  const space = v128.load(SIXTEEN_SP);
  const span = v128.load(SIXTEEN_GRAPHIC_SPAN);
  let at = from;
  while (at < end) {
    const other = i8x16.bitmask(i8x16.gt_u(i8x16.sub(v128.load(at), space), span));
    if (other != 0) {
      at += <usize>ctz(other);
      break;
    }
    at += 16;
  }
  flags = 0;
  if (at + 1 < end && load<u8>(at) == CR && load<u8>(at + 1) == LF) {
    next = at + 2;
    return at;
  }
  return inspectLine(at, end);
}

/** Goes octet by octet from the first octet that is neither graphic nor SP. */
function inspectLine(from: usize, end: usize): usize {
  let at = from;
  while (at < end) {
    const octet = load<u8>(at);
    if (octet == LF) {
      flags |= LINE_BARE_LF;
      next = at + 1;
      return at;
    }
    if (octet == CR) {
      if (at + 1 < end && load<u8>(at + 1) == LF) {
        next = at + 2;
        return at;
      }
      flags |= LINE_BARE_CR;
    } else if (octet >= 0x80) flags |= LINE_EIGHT_BIT;
    else if (octet == 0) flags |= LINE_NUL;
    else if ((octet < SP && octet != HT) || octet == DELETE) flags |= LINE_CONTROL;
    at++;
  }
  return 0;
}
