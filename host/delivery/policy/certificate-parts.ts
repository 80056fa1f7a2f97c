/** The one part of a certificate that TLSA records speak of and Node.js does not hand out as it stands. */

const SEQUENCE = 0x30;
/** `[0]`, the version; left out by certificates of version 1. RFC 5280 section 4.1.2.1. */
const VERSION = 0xa0;
/** Serial number, signature algorithm, issuer, validity, subject. RFC 5280 section 4.1. */
const PARTS_BEFORE_KEY = 5;

/**
 * The SubjectPublicKeyInfo of a certificate in DER, as a view of it; undefined if it cannot be found. The octets are those
 * that were signed: to write the key out again might write it in another form, with another digest.
 */
export function publicKeyOf(certificate: Buffer): Buffer | undefined {
  const whole = elementAt(certificate, 0);
  const body = whole?.tag === SEQUENCE ? elementAt(certificate, whole.content) : undefined;
  if (body?.tag !== SEQUENCE) return undefined;
  let part = elementAt(certificate, body.content);
  if (part?.tag === VERSION) part = elementAt(certificate, part.end);
  for (let index = 0; index < PARTS_BEFORE_KEY && part !== undefined; index++) {
    part = elementAt(certificate, part.end);
  }
  return part?.tag === SEQUENCE ? certificate.subarray(part.start, part.end) : undefined;
}

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** ITU-T X.690 section 8.1; lengths of more than four octets belong to no certificate. */
function elementAt(der: Buffer, start: number): Element | undefined {
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
