/** Values that carry text of any kind in the letters a parameter may have. RFC 3461 section 4, RFC 6533 section 3. */

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
const CODED = /\+([0-9A-F]{2})|\\x\{([0-9A-F]{2,6})\}/g;
const ASCII = /^[\u0000-\u007f]*$/;
/** C0, DEL, C1. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const UNICODE_TEXT = /^[ -~\u00a0-\u2027\u202a-\u{10ffff}]*$/u;

/**
 * Decodes xtext, whose octets are taken as UTF-8; undefined if it is none, or holds what would end a line in a report or a
 * log.
 */
export function decodeXtext(value: string): string | undefined {
  if (!XTEXT.test(value)) return undefined;
  if (!value.includes('+')) return value;
  const octets = value.replace(/\+([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  const text = Buffer.from(octets, 'latin1').toString('utf8');
  return CONTROL.test(text) ? undefined : text;
}

/** As `decodeXtext`, for the values that have to be ASCII: ENVID, ORCPT, AUTH. */
export function decodeAsciiXtext(value: string): string | undefined {
  const text = decodeXtext(value);
  return text !== undefined && ASCII.test(text) ? text : undefined;
}

/**
 * Decodes an address of type `utf-8`, which is xtext with `\x{HEX}` for what is not ASCII, or UTF-8 as it stands if the
 * client said SMTPUTF8.
 */
export function decodeUnicodeAddress(value: string, isUtf8: boolean): string | undefined {
  const text = decodeAsciiXtext(value.replace(/[^\u0000-\u007f]+/g, ''));
  if (text === undefined || (!isUtf8 && /[^\u0000-\u007f]/.test(value))) return undefined;
  const decoded = value.replace(CODED, (whole, octet: string | undefined, point: string) =>
    octet === undefined ? (fromPoint(point) ?? whole) : String.fromCharCode(Number.parseInt(octet, 16)),
  );
  return UNICODE_TEXT.test(decoded) && !decoded.includes('\\x{') ? decoded : undefined;
}

function fromPoint(digits: string): string | undefined {
  const point = Number.parseInt(digits, 16);
  const isCharacter = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return isCharacter ? String.fromCodePoint(point) : undefined;
}

/** The text as xtext; what is not ASCII goes as the octets of its UTF-8. */
export const encodeXtext = (text: string): string =>
  Array.from(Buffer.from(text), (octet) =>
    octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d
      ? String.fromCharCode(octet)
      : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');

/** An address of type `utf-8` in ASCII alone, for hops with and without SMTPUTF8. RFC 6533 section 3. */
export const encodeUnicodeAddress = (address: string): string =>
  Array.from(address, (character) => {
    const point = character.codePointAt(0)!;
    const isPlain = point > 0x20 && point < 0x7f && !'+=\\'.includes(character);
    return isPlain ? character : `\\x{${point.toString(16).toUpperCase().padStart(2, '0')}}`;
  }).join('');
