/** The little of DER (ITU-T X.690) that a certificate needs, for writing and for reading. What writes returns one whole element. */

const SEQUENCE = 0x30;
const SET = 0x31;

/** An element of any type: `tag`, length, content. */
export function element(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body.length)]), body]);
}

/** One octet up to 127; above, the number of octets that follow, then those. */
function lengthOf(octets: number): readonly number[] {
  if (octets < 0x80) return [octets];
  const digits: number[] = [];
  for (let rest = octets; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  return [0x80 | digits.length, ...digits];
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(SEQUENCE, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => element(SET, ...parts);

/** A positive number given as its octets, the highest first. */
export function integer(octets: Uint8Array): Buffer {
  const start = octets.findIndex((octet) => octet !== 0);
  const digits = start === -1 ? Buffer.of(0) : octets.subarray(start);
  // The highest bit is the sign.
  return digits[0]! >= 0x80 ? element(0x02, Buffer.of(0), digits) : element(0x02, digits);
}

export const isTrue = element(0x01, Buffer.of(0xff));

/** A bit string whose last octet is full. */
export const bitString = (octets: Uint8Array): Buffer => element(0x03, Buffer.of(0), octets);

export const octetString = (octets: Uint8Array): Buffer => element(0x04, octets);

export const utf8String = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'));

/** `1.2.840.10045.4.3.2` and the like. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...arcs.flatMap(base128)]));
}

function base128(arc: number): readonly number[] {
  const digits = [arc & 0x7f];
  for (let rest = arc >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

/** A moment in UTC, to the second. Years up to 2049 have two digits, later ones four. RFC 5280 section 4.1.2.5. */
export function time(moment: Date): Buffer {
  const digits = moment
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return moment.getUTCFullYear() < 2050
    ? element(0x17, Buffer.from(digits.slice(2), 'latin1'))
    : element(0x18, Buffer.from(digits, 'latin1'));
}

/** An element under a number of its context, which replaces the tag of a primitive type. */
export const implicit = (number: number, octets: Uint8Array): Buffer => element(0x80 | number, octets);

/** An element wrapped in one that carries a number of its context. */
export const explicit = (number: number, inner: Uint8Array): Buffer => element(0xa0 | number, inner);

/** An element that was found in octets: where it begins, where its content does, where it ends. */
export interface Element {
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** The element at `start`; undefined if there is none. ITU-T X.690 section 8.1; lengths of more than four octets belong to no certificate. */
export function elementAt(der: Buffer, start: number): Element | undefined {
  const tag = der[start];
  const first = der[start + 1];
  if (tag === undefined || first === undefined) return undefined;
  const digits = first < 0x80 ? 0 : first & 0x7f;
  const content = start + 2 + digits;
  if (digits > 4 || content > der.length) return undefined;
  const length = digits === 0 ? first : der.readUIntBE(start + 2, digits);
  const end = content + length;
  return end > der.length || first === 0x80 ? undefined : { tag, start, content, end };
}
