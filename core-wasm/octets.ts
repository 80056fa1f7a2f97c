/**
 * Octets by name, their classes, and the same octet sixteen times over for SIMD comparisons.
 *
 * The sixteen-fold constants are loaded from memory on purpose: a `splat` becomes an immediate, and V8 builds
 * immediates anew in every turn of a loop. Read from memory they stay in a register.
 */

export const HT: u32 = 0x09;
export const LF: u32 = 0x0a;
export const CR: u32 = 0x0d;
export const SP: u32 = 0x20;
export const QUOTE: u32 = 0x22;
export const HASH: u32 = 0x23;
export const PERCENT: u32 = 0x25;
export const HYPHEN: u32 = 0x2d;
export const DOT: u32 = 0x2e;
export const SLASH: u32 = 0x2f;
export const COLON: u32 = 0x3a;
export const LESS: u32 = 0x3c;
export const EQUALS: u32 = 0x3d;
export const GREATER: u32 = 0x3e;
export const QUESTION: u32 = 0x3f;
export const AT: u32 = 0x40;
export const OPEN_BRACKET: u32 = 0x5b;
export const BACKSLASH: u32 = 0x5c;
export const CLOSE_BRACKET: u32 = 0x5d;
export const DELETE: u32 = 0x7f;

// prettier-ignore
const splats = memory.data<u8>([
  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
  13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13,
  46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46, 46,
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
  94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94, 94,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47,
  92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92,
], 16);

export const SIXTEEN_LF: usize = splats;
export const SIXTEEN_CR: usize = splats + 16;
export const SIXTEEN_DOT: usize = splats + 32;
export const SIXTEEN_SP: usize = splats + 48;
/** Distance from SP to the last graphic octet. */
export const SIXTEEN_GRAPHIC_SPAN: usize = splats + 64;
export const SIXTEEN_ALL_ONES: usize = splats + 80;
export const SIXTEEN_NUL: usize = splats + 96;
export const SIXTEEN_SLASH: usize = splats + 112;
export const SIXTEEN_BACKSLASH: usize = splats + 128;

/** `atext` of RFC 5322 section 3.2.3. */
export const ATEXT: u32 = 1;
/** `Let-dig` of RFC 5321 section 4.1.2. */
export const LETTER_DIGIT: u32 = 2;
/** Letter, digit or hyphen. */
export const LETTER_DIGIT_HYPHEN: u32 = 4;
/** Octets of an `esmtp-value`, RFC 5321 section 4.1.2. */
export const PARAMETER_VALUE: u32 = 8;
/** `ftext`, RFC 5322 section 3.6.8: octets of a header field name. */
export const FIELD_TEXT: u32 = 16;
/** What a host name is written with: letters, digits, `-`, `.`, `_`, `%` of an escape, and octets of U-labels. */
export const HOST: u32 = 32;

// prettier-ignore
const classes = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // 0x00
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // 0x10
  0, 25, 24, 25, 25, 57, 25, 25, 24, 24, 25, 25, 24, 61, 56, 25, // 0x20
  63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 8, 24, 24, 17, 24, 25, // 0x30
  24, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, // 0x40
  63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 24, 24, 24, 25, 57, // 0x50
  25, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, // 0x60
  63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 25, 25, 25, 25, 0, // 0x70
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0x80
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0x90
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xa0
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xb0
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xc0
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xd0
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xe0
  32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, // 0xf0
]);

/** Whether `octet` is in `octetClass`, one of the classes above. */
export function is(octet: u32, octetClass: u32): bool {
  return (load<u8>(classes + octet) & octetClass) != 0;
}

/** SP or HT. */
export function isBlank(octet: u32): bool {
  return octet == SP || octet == HT;
}

/** One bit for each of the 64 octets from `at` on: whether it equals the octet that stands at `sixteen`. */
export function mask64(at: usize, sixteen: usize): u64 {
  const wanted = v128.load(sixteen);
  const a = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at), wanted)));
  const b = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at, 16), wanted)));
  const c = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at, 32), wanted)));
  const d = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at, 48), wanted)));
  return a | (b << 16) | (c << 32) | (d << 48);
}

/** One bit for each of the 64 octets from `at` on: whether it is 0x80 or more. */
export function highBits64(at: usize): u64 {
  const a = <u64>(<u32>i8x16.bitmask(v128.load(at)));
  const b = <u64>(<u32>i8x16.bitmask(v128.load(at, 16)));
  const c = <u64>(<u32>i8x16.bitmask(v128.load(at, 32)));
  const d = <u64>(<u32>i8x16.bitmask(v128.load(at, 48)));
  return a | (b << 16) | (c << 32) | (d << 48);
}
