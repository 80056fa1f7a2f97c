/**
 * Text of octets that are no UTF-8: as windows-1252, which is what mail with bare octets above 127 mostly is, and of which
 * every octet is a character, so that none is lost. RFC 6532 allows UTF-8 alone in header fields.
 *
 * By a table of our own: `TextDecoder` of Node 20 takes windows-1252 for ISO 8859-1, and one built without ICU has neither.
 */

import { isUtf8 } from 'node:buffer';

/** The characters of 0x80 to 0x9f; the five octets without one stay control characters, as the Encoding Standard has it. */
const LETTERS = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/** What the Encoding Standard takes for windows-1252. */
export const LABELS: readonly string[] = [
  'windows-1252',
  'cp1252',
  'x-cp1252',
  'iso-8859-1',
  'iso8859-1',
  'iso88591',
  'iso_8859-1',
  'iso_8859-1:1987',
  'iso-ir-100',
  'csisolatin1',
  'latin1',
  'l1',
  'cp819',
  'ibm819',
  'us-ascii',
  'ascii',
  'ansi_x3.4-1968',
];

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

/** A value that was read with one character an octet, as `Header.get` does where it is no UTF-8. */
export const withLetters = (value: string): string =>
  value.replace(/[\u0080-\u009f]/g, (octet) => LETTERS[octet.charCodeAt(0) - 0x80]!);

/**
 * The message with a header of UTF-8: fields that are none are taken for windows-1252, each for itself, since a message that
 * passed several hosts may hold both. The body stays octet by octet. `raw` itself if there is nothing to do.
 */
export function withUtf8Header(raw: Buffer): Buffer {
  const fields: Buffer[] = [];
  let from = 0;
  let isMended = false;
  while (from < raw.length && raw[from] !== LF && !(raw[from] === CR && raw[from + 1] === LF)) {
    const to = endOfField(raw, from);
    const field = raw.subarray(from, to);
    const isRight = isUtf8(field);
    fields.push(isRight ? field : Buffer.from(withLetters(field.latin1Slice(0, field.length))));
    isMended ||= !isRight;
    from = to;
  }
  return isMended ? Buffer.concat([...fields, raw.subarray(from)]) : raw;
}

/** After the line end that no blank follows. RFC 5322 section 2.2.3. */
function endOfField(raw: Buffer, from: number): number {
  for (let at = from; ;) {
    const lineEnd = raw.indexOf(LF, at);
    if (lineEnd < 0) return raw.length;
    at = lineEnd + 1;
    if (raw[at] !== SPACE && raw[at] !== TAB) return at;
  }
}
