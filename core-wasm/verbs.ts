/** Verbs by number (RFC 5321 section 4.1.1 and the extensions). */

import {
  VERB_AUTH,
  VERB_BDAT,
  VERB_DATA,
  VERB_EHLO,
  VERB_ETRN,
  VERB_EXPN,
  VERB_HELO,
  VERB_HELP,
  VERB_LHLO,
  VERB_MAIL,
  VERB_NOOP,
  VERB_QUIT,
  VERB_RCPT,
  VERB_RSET,
  VERB_STARTTLS,
  VERB_UNKNOWN,
  VERB_VRFY,
  VERB_XCLIENT,
  VERB_XFORWARD,
} from './words';

// A letter is the only octet that this bit turns into a small letter, so that comparing afterwards is exact.
const SMALL_FOUR: u32 = 0x2020_2020;
const SMALL_SEVEN: u64 = 0x0020_2020_2020_2020;
const SMALL_EIGHT: u64 = 0x2020_2020_2020_2020;
const SEVEN_OCTETS: u64 = 0x00ff_ffff_ffff_ffff;

/** The number of the verb in the `length` octets at `at`; reads up to eight. */
export function findVerb(at: usize, length: u32): u32 {
  if (length == 4) return findFour(load<u32>(at) | SMALL_FOUR);
  if (length == 8) return findEight(load<u64>(at) | SMALL_EIGHT);
  if (length == 7 && ((load<u64>(at) | SMALL_SEVEN) & SEVEN_OCTETS) == 0x0074_6e65_696c_6378)
    return VERB_XCLIENT;
  return VERB_UNKNOWN;
}

function findEight(letters: u64): u32 {
  if (letters == 0x736c_7474_7261_7473) return VERB_STARTTLS;
  return letters == 0x6472_6177_726f_6678 ? VERB_XFORWARD : VERB_UNKNOWN;
}

/** The letters stand in reverse: linear memory is little-endian. */
function findFour(letters: u32): u32 {
  if (letters == 0x7470_6372) return VERB_RCPT;
  if (letters == 0x6c69_616d) return VERB_MAIL;
  switch (letters) {
    case 0x6f6c_6568:
      return VERB_HELO;
    case 0x6f6c_6865:
      return VERB_EHLO;
    case 0x6174_6164:
      return VERB_DATA;
    case 0x7461_6462:
      return VERB_BDAT;
    case 0x7465_7372:
      return VERB_RSET;
    case 0x706f_6f6e:
      return VERB_NOOP;
    case 0x7966_7276:
      return VERB_VRFY;
    case 0x706c_6568:
      return VERB_HELP;
    case 0x7469_7571:
      return VERB_QUIT;
    case 0x6874_7561:
      return VERB_AUTH;
    case 0x6e70_7865:
      return VERB_EXPN;
    case 0x6e72_7465:
      return VERB_ETRN;
    case 0x6f6c_686c:
      return VERB_LHLO;
    default:
      return VERB_UNKNOWN;
  }
}
