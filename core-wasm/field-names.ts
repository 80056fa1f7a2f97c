/** Names of header fields by number, from the rows that the host has put into `FIELD_NAMES`. */

import { FIELD_NAME_INDEX, FIELD_NAME_OCTETS, FIELD_NAMES } from './layout';
import { SIXTEEN_SP } from './octets';
import { FIELD_OTHER } from './words';

/**
 * The `FieldId` of the name in the `length` octets at `at`, letter case aside; reads 32 octets. The bit of SP makes
 * letters small. Of the octets a name may contain none but letters become letters by it, and only `-` becomes `-`.
 */
export function findFieldId(at: usize, length: u32): u32 {
  if (length >= <u32>FIELD_NAME_OCTETS - 1) return FIELD_OTHER;
  const small = v128.load(SIXTEEN_SP);
  const head = v128.or(v128.load(at), small);
  const tail = v128.or(v128.load(at, 16), small);
  const all: u32 = (1 << length) - 1;
  let row = <usize>FIELD_NAMES + <usize>load<u8>(FIELD_NAME_INDEX + (length << 1)) * FIELD_NAME_OCTETS;
  let rows: u32 = load<u8>(FIELD_NAME_INDEX + (length << 1), 1);
  while (rows != 0) {
    const equalHead = <u32>i8x16.bitmask(i8x16.eq(head, v128.load(row)));
    const equalTail = <u32>i8x16.bitmask(i8x16.eq(tail, v128.load(row, 16)));
    if (((equalHead | (equalTail << 16)) & all) == all) return load<u8>(row, FIELD_NAME_OCTETS - 1);
    row += FIELD_NAME_OCTETS;
    rows--;
  }
  return FIELD_OTHER;
}
