/** The client's two messages of a SCRAM exchange, taken apart. RFC 5802 section 7. */

import { decodeBase64 } from './base64.ts';
import { KEY_OCTETS } from './scram-keys.ts';
import { isUserName } from './sasl-prep.ts';

/** A nonce is echoed in our reply, whose line has to stay within bounds. */
const MAX_NONCE = 256;
const NONCE = /^[!-+\--~]+$/;

export interface ClientFirst {
  readonly user: string;
  readonly nonce: string;
  /** The part in front of the message proper, which the final message repeats. */
  readonly gs2Header: string;
  /** The message without that part: what is signed. */
  readonly bare: string;
}

export interface ClientFinal {
  /** Base64 of the gs2-header. */
  readonly binding: string;
  readonly nonce: string;
  readonly proof: Buffer;
  /** What is signed: all in front of `,p=`. */
  readonly withoutProof: string;
}

/** Undefined for a broken message, for channel binding, which is not offered, and for acting as somebody else. */
export function parseClientFirst(text: string): ClientFirst | undefined {
  const [, gs2Header, authzid, bare] = /^([ny],(?:a=([^,]+))?,)(.*)$/s.exec(text) ?? [];
  if (gs2Header === undefined || bare === undefined) return undefined;
  const [, name = '', nonce = ''] = /^n=([^,]+),r=([^,]+)(?:,[A-Za-z]=[^,]*)*$/.exec(bare) ?? [];
  const user = decodeName(name);
  if (user === undefined || !isUserName(user)) return undefined;
  if (authzid !== undefined && decodeName(authzid) !== user) return undefined;
  if (nonce.length > MAX_NONCE || !NONCE.test(nonce)) return undefined;
  return { user, nonce, gs2Header, bare };
}

export function parseClientFinal(text: string): ClientFinal | undefined {
  const [, withoutProof, binding, nonce, proofText] =
    /^(c=([^,]+),r=([^,]+)(?:,[A-Za-z]=[^,]*)*),p=([^,]+)$/.exec(text) ?? [];
  if (withoutProof === undefined || binding === undefined || nonce === undefined) return undefined;
  const proof = decodeBase64(proofText ?? '');
  return proof?.length === KEY_OCTETS ? { binding, nonce, proof, withoutProof } : undefined;
}

/** `=2C` is a comma and `=3D` an equals sign; any other `=` breaks the name. */
function decodeName(name: string): string | undefined {
  if (/=(?!2C|3D)/.test(name)) return undefined;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
