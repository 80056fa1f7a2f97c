/** DKIM and ARC by mailauth: RFC 6376, RFC 8463, RFC 8617. */

export { dkimSign } from 'mailauth/lib/dkim/sign.js';
export { dkimVerify } from 'mailauth/lib/dkim/verify.js';
export { arc, createSeal, sealMessage } from 'mailauth/lib/arc/index.js';
