/** What the policies of mail domains read in a certificate. */

import { X509Certificate } from 'node:crypto';
import { elementAt } from '../../../bindings/wire/der.ts';

const SEQUENCE = 0x30;
/** `[0]`, the version; left out by certificates of version 1. RFC 5280 section 4.1.2.1. */
const VERSION = 0xa0;
/** Serial number, signature algorithm, issuer, validity, subject. RFC 5280 section 4.1. */
const PARTS_BEFORE_KEY = 5;

/** Undefined for what is no certificate in DER, and for keys of a kind that OpenSSL does not know. */
export function readCertificate(der: Buffer): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der);
    return certificate.publicKey.type === 'public' ? certificate : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the certificate, in DER, stands for `host`. A star stands for the first label as a whole: RFC 7672 section 3.2.3,
 * RFC 8461 section 3.3; `mx*.example.com` would let the owner of one host pass for others. The common name counts where
 * there are no DNS names (`fallback`: RFC 7672 section 3.2.3, RFC 8689 section 4.2.1) or `never` (RFC 8461 section 4.2).
 */
export function standsForHost(certificate: Buffer, host: string, commonName: 'fallback' | 'never'): boolean {
  const subject = commonName === 'never' ? 'never' : 'default';
  try {
    const checked = new X509Certificate(certificate).checkHost(host, { subject, partialWildcards: false });
    return checked !== undefined;
  } catch {
    return false;
  }
}

/**
 * The SubjectPublicKeyInfo of a certificate in DER, as a view of it; undefined if it cannot be found. TLSA records speak of
 * the octets that were signed: to write the key out again, as Node.js does, might write it in another form, with another
 * digest.
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
