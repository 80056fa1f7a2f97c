/** DKIM and ARC by mailauth: RFC 6376, RFC 8463, RFC 8617. */

export { DkimVerifier } from 'mailauth/lib/dkim/dkim-verifier.js';
export { arc, createSeal, sealMessage } from 'mailauth/lib/arc/index.js';
