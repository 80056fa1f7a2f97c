/** DMARC by mailauth: RFC 9989. */

export { dmarc, evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
