/** DKIM by mailauth: RFC 6376, RFC 8463. Its verifier reads ARC chains as well, RFC 8617. */

export { DkimVerifier } from 'mailauth/lib/dkim/dkim-verifier.js';
