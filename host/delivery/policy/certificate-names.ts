/** The names of a certificate, as the policies of mail domains have them compared. */

import { X509Certificate } from 'node:crypto';

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
