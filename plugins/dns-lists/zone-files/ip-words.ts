/** IP addresses as words of 32 bits: read for every question, so nothing is made for that. */

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;

/** The number of an IPv4 address in its usual form; -1 for what is none. */
export function ipv4Word(text: string): number {
  let word = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const digit = code - ZERO;
    if (digit >= 0 && digit <= 9) octet = octet < 0 ? digit : octet * 10 + digit;
    else if (code === DOT && octet >= 0 && dots < 3) {
      word = word * 256 + octet;
      octet = -1;
      dots++;
    } else return -1;
    if (octet > 255) return -1;
  }
  return dots === 3 && octet >= 0 ? word * 256 + octet : -1;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 0x39) return code - ZERO;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/** What stands for the groups that `::` leaves out. */
const GROUPS = 8;
const groups = new Uint16Array(GROUPS);

/**
 * Reads hexadecimal groups with colons between them into four words, filled up with zeros. Returns how many groups there were, 8 if
 * `::` stands among them; 0 for what is no IPv6 address or beginning of one. RFC 4291 section 2.2, without forms that end in IPv4.
 */
export function readIpv6(text: string, words: Uint32Array): number {
  let count = 0;
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    let group = 0;
    const start = at;
    for (let digit; at < text.length && (digit = hexDigit(text.charCodeAt(at))) >= 0; at++)
      group = group * 16 + digit;
    if (at === start || at - start > 4 || count === GROUPS) return 0;
    groups[count++] = group;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON) return 0;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return 0;
      gap = count;
      at++;
    } else if (at === text.length) return 0;
  }
  if (gap < 0) return fill(words, count, count, 0);
  // `::` stands for one group at least.
  return count < GROUPS ? fill(words, gap, count, GROUPS - count) : 0;
}

/** The groups from `gap` on come `skipped` places later. */
function fill(words: Uint32Array, gap: number, count: number, skipped: number): number {
  words.fill(0);
  for (let index = 0; index < count; index++) {
    const place = index < gap ? index : index + skipped;
    words[place >> 1]! |= groups[index]! << (place & 1 ? 0 : 16);
  }
  return skipped > 0 ? GROUPS : count;
}
