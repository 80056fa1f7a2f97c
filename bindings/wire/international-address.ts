/** Addresses beyond ASCII: which of them mean the same thing to everybody who reads them. RFC 6531 section 3.3. */

import { domainToASCII, domainToUnicode } from 'node:url';
import { isUtf8 } from 'node:buffer';

/** Longest label (RFC 1035 section 2.3.4) and domain (RFC 5321 section 4.5.3.1.2) in octets. */
export const MAX_LABEL = 63;
export const MAX_DOMAIN = 255;

/** Controls, separators, and the marks that turn the direction of the text after them: forged log lines. */
const UNSAFE = /[\p{Cc}\p{Zs}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
/** What has a meaning in an address, and the blank. */
const SPECIAL = /[\u0000-\u0020"(),.:;<>@[\\\]\u007f]/;

/** The text of octets that came one character each, or undefined if they are not UTF-8. */
export function decodeUtf8(octets: string): string | undefined {
  const block = Buffer.from(octets, 'latin1');
  return isUtf8(block) ? block.utf8Slice() : undefined;
}

/**
 * True if no character beyond ASCII becomes a special one by normalisation. A host that normalises would read
 * `<a＠evil.example@b.example>` as another address than we did.
 */
export function isPlainUnicode(localPart: string): boolean {
  const foreign = localPart.replace(/[\u0000-\u007f]+/g, '');
  return !UNSAFE.test(foreign) && !SPECIAL.test(foreign.normalize('NFKC'));
}

const isShort = (label: string): boolean => label.length <= MAX_LABEL;

/**
 * True for a name whose labels are U-labels as they stand, or ASCII: mapped to what DNS is asked and back, it is the
 * same. What would be folded, composed or cut apart on the way is refused (RFC 5890 section 2.3.2.1).
 */
export function isInternationalDomain(name: string): boolean {
  const ascii = domainToASCII(name);
  if (ascii === '' || ascii.length > MAX_DOMAIN) return false;
  if (domainToUnicode(ascii) !== name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())) return false;
  const labels = name.split('.');
  return labels.every((label) => label !== '' && !/^-|-$/.test(label)) && ascii.split('.').every(isShort);
}
