/** Names and values of header fields: what may be written, and how what was received is read. RFC 5322 section 2.2. */

import { isUtf8 } from 'node:buffer';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

const FIELD_NAME = /^[!-9;-~]+$/;

/** Refuses names that are no `ftext`: with a colon, a blank or a line end in it a name would be another field. */
export function checkFieldName(name: string): void {
  if (!FIELD_NAME.test(name)) {
    throw new TypeError(`${JSON.stringify(name)} is no name of a header field (RFC 5322 section 2.2)`);
  }
}

const NEEDS_CLEANING = /[\r\u0000]|\n(?![ \t])|\n[ \t]+(?:\n|$)/;

/**
 * A value as it may be written, folds as LF and blank. Any other CR, LF or NUL becomes a blank, because values carry
 * what clients sent: a line end would let them add fields of their own (header injection). So does a fold with nothing
 * but blanks after it: some readers take such a line for the end of the header.
 */
export function cleanValue(value: string): string {
  let end = value.length;
  while (end > 0 && (value[end - 1] === '\n' || value[end - 1] === '\r')) end--;
  const text = value.slice(0, end);
  if (!NEEDS_CLEANING.test(text)) return text;
  return text
    .replace(/\r\n/g, '\n')
    .replace(/[\r\u0000]|\n(?![ \t])/g, ' ')
    .replace(/\n[ \t]+(?=\n|$)/g, ' ');
}

/** A value that was given to `prepend` or `append`, as `get` returns it. */
export const unfoldValue = (value: string): string => value.replace(/\n(?=[ \t])/g, '').trim();

/** The octets [from, to) of a field body as text: blanks around it gone, unfolded (RFC 5322 section 2.2.3). */
export function readValue(block: Buffer, from: number, to: number, isFolded: boolean): string {
  let start = from;
  let end = to;
  // Counted by hand: a pattern for trailing blanks takes quadratic time on a line full of them.
  while (start < end && isBlank(block[start]!)) start++;
  while (end > start && isBlank(block[end - 1]!)) end--;
  const text = decode(block, start, end);
  return isFolded ? text.replace(/\r?\n(?=[ \t])/g, '') : text;
}

const isBlank = (octet: number): boolean => octet === SPACE || octet === TAB || octet === CR || octet === LF;

/** UTF-8 where it is valid (RFC 6532), otherwise one character an octet, so that nothing is lost. */
function decode(block: Buffer, from: number, to: number): string {
  return isUtf8(block.subarray(from, to)) ? block.utf8Slice(from, to) : block.latin1Slice(from, to);
}

/** Control characters as `?`: text from a client must not end the line and begin a field of its own. */
export function maskControls(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, '?');
}
