/** Text in which octets stand as `+2B`. RFC 3461 section 4. */

const CODED = /\+([0-9A-Fa-f]{2})/g;
const PRINTABLE = /^[\x21-\x7e]*$/;

/** The text, or undefined for what is no xtext, or holds control characters once decoded. UTF-8 is taken as it is. */
export function decodeXtext(coded: string): string | undefined {
  if (!PRINTABLE.test(coded) || /\+(?![0-9A-Fa-f]{2})/.test(coded)) return undefined;
  if (!coded.includes('+')) return coded;
  const octets = coded.replace(CODED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const text = Buffer.from(octets, 'latin1').toString('utf8');
  return /[\u0000-\u001f\u007f-\u009f]/.test(text) ? undefined : text;
}
