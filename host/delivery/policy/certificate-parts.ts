/** The one part of a certificate that TLSA records speak of and Node.js does not hand out as it stands. */

import { elementAt } from '../../../bindings/wire/der.ts';

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
