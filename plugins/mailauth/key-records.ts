/** Public keys in the DNS: what a name has, and what is refused before it costs anything. RFC 6376 section 3.6.2. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Resolver } from '../../bindings/plugin/index.ts';

/** Larger ones need not be verified (RFC 8301 section 3.2); one of 16,384 bits takes a hundred times as long. */
export const MAX_KEY_BITS = 4_096;
/** A public exponent as long as the modulus makes verifying as slow as signing. */
const MAX_EXPONENT = 2n ** 64n;
/** A key of 4,096 bits takes about 800. */
const MAX_RECORD_OCTETS = 4_096;

export const KEY_TOO_LARGE = 'KEY_TOO_LARGE';

/**
 * The TXT records of a key, in the form mailauth asks for: each in one piece. Rejects with an error whose `code` is that of Node's
 * resolver, or `KEY_TOO_LARGE`.
 */
export async function keyRecords(dns: Resolver, name: string, signal: AbortSignal): Promise<string[][]> {
  const answer = await dns.txt(name, { signal });
  if (answer.status === 'no such name') throw lookupError('ENOTFOUND');
  if (answer.status === 'no such record') throw lookupError('ENODATA');
  if (answer.status === 'failed') throw lookupError(answer.reason);
  // What else stands there, such as a wildcard's SPF record, is none of ours. RFC 6376 section 6.1.2 leaves the choice among keys.
  const record = answer.records.find((text) => /(?:^|;)\s*p\s*=/.test(text)) ?? answer.records[0] ?? '';
  if (record.length > MAX_RECORD_OCTETS || isTooLarge(record)) throw lookupError(KEY_TOO_LARGE);
  return [[record]];
}

const lookupError = (code: string): Error => Object.assign(new Error(code), { code });

function isTooLarge(record: string): boolean {
  const [, base64 = ''] = /(?:^|;)\s*p\s*=([^;]*)/.exec(record) ?? [];
  const key = readKey(Buffer.from(base64, 'base64'));
  const { modulusLength = 0, publicExponent = 0n } = key?.asymmetricKeyDetails ?? {};
  return modulusLength > MAX_KEY_BITS || publicExponent > MAX_EXPONENT;
}

/** Undefined for what is no key, or none of RSA: mailauth says what is wrong with it. */
function readKey(der: Buffer): KeyObject | undefined {
  for (const type of ['spki', 'pkcs1'] as const) {
    try {
      return createPublicKey({ key: der, format: 'der', type });
    } catch {
      continue;
    }
  }
  return undefined;
}
