/** Line ends as Unix mailboxes keep them. */

import { INPUT, OUTPUT } from './layout';
import { SIXTEEN_CR, SIXTEEN_LF } from './octets';

/**
 * Copies `length` octets (at most a window) from `INPUT` to `OUTPUT` with every CRLF as LF. Returns the number of
 * octets written. A CR at the very end is copied: the octet after the input is overwritten to make sure of it.
 */
export function foldLineEnds(length: i32): i32 {
  const cr = v128.load(SIXTEEN_CR);
  const lf = v128.load(SIXTEEN_LF);
  const end = <usize>INPUT + <usize>length;
  store<u8>(end, 0);
  let at = <usize>INPUT;
  let out = <usize>OUTPUT;
  while (at < end) {
    const here = v128.load(at);
    v128.store(out, here);
    const ends = i8x16.bitmask(v128.and(i8x16.eq(here, cr), i8x16.eq(v128.load(at, 1), lf)));
    if (ends != 0) {
      const before = <usize>ctz(ends);
      if (at + before >= end) return <i32>(out + (end - at) - OUTPUT);
      at += before + 1;
      out += before;
    } else {
      at += 16;
      out += 16;
    }
  }
  return <i32>(out - (at - end) - OUTPUT);
}
