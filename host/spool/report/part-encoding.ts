/** How a part of a report is written so that every hop takes it: in seven bits. RFC 2045 section 6. */

/** Octets of a line without its end: RFC 5321 section 4.5.3.1.6, RFC 5322 section 2.1.1. */
export const MAX_LINE_OCTETS = 998;
/** Characters of an encoded line, the `=` of a soft break included. RFC 2045 section 6.7. */
const MAX_ENCODED = 76;

const [TAB, LF, CR, BLANK, EQUALS] = [9, 10, 13, 32, 61];

export interface EncodedPart {
  readonly encoding: '7bit' | 'quoted-printable';
  readonly octets: Buffer;
}

/** `octets` as they are if every hop takes them so, else as quoted-printable. Lines end in CRLF. */
export function encodePart(octets: Buffer): EncodedPart {
  return hasPlainLines(octets, 0x7f)
    ? { encoding: '7bit', octets }
    : { encoding: 'quoted-printable', octets: Buffer.from(quoted(octets), 'latin1') };
}

/** Lines of at most 998 octets that end in CRLF, without a NUL and without octets above `highest`. RFC 2045 section 2.7, 2.8. */
export function hasPlainLines(octets: Buffer, highest: 0x7f | 0xff): boolean {
  let lineStart = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === 0 || octet > highest || octet === LF) return false;
    if (octet !== CR) continue;
    if (octets[at + 1] !== LF || at - lineStart > MAX_LINE_OCTETS) return false;
    lineStart = ++at + 1;
  }
  return octets.length - lineStart <= MAX_LINE_OCTETS;
}

function quoted(octets: Buffer): string {
  const lines: string[] = [];
  for (let from = 0; from <= octets.length;) {
    const end = octets.indexOf('\r\n', from);
    const to = end < 0 ? octets.length : end;
    lines.push(quotedLine(octets.subarray(from, to)));
    from = to + 2;
  }
  return lines.join('\r\n');
}

function quotedLine(line: Buffer): string {
  const broken: string[] = [];
  let text = '';
  for (const [at, octet] of line.entries()) {
    const isBlank = octet === BLANK || octet === TAB;
    const isPlain = (octet > BLANK && octet < 0x7f && octet !== EQUALS) || (isBlank && at < line.length - 1);
    const part = isPlain
      ? String.fromCharCode(octet)
      : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    if (text.length + part.length >= MAX_ENCODED) {
      broken.push(`${text}=`);
      text = '';
    }
    text += part;
  }
  return [...broken, text].join('\r\n');
}
