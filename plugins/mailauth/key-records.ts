/** Public keys in the DNS: what a name has, and what is refused before it costs anything. RFC 6376 section 3.6.2. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import { LookupError, type MailauthResolver } from './dns-resolver.ts';

/** Larger ones need not be verified (RFC 8301 section 3.2); one of 16,384 bits takes a hundred times as long. */
export const MAX_KEY_BITS = 4_096;
/** A public exponent as long as the modulus makes verifying as slow as signing. */
const MAX_EXPONENT = 2n ** 64n;
/** A key of 4,096 bits takes about 800. */
const MAX_RECORD_OCTETS = 4_096;

export const KEY_TOO_LARGE = 'KEY_TOO_LARGE';

/**
 * The one record of a key that counts, as mailauth asks for it. Rejects with a `LookupError` of `resolve`, or one whose code is
 * `KEY_TOO_LARGE`.
 */
export async function keyRecords(resolve: MailauthResolver, name: string): Promise<string[][]> {
  const records = (await resolve(name, 'TXT')).flat();
  // What else stands there, such as a wildcard's SPF record, is none of ours. RFC 6376 section 6.1.2 leaves the choice among keys.
  const record = records.find((text) => /(?:^|;)\s*p\s*=/.test(text)) ?? records[0] ?? '';
  if (record.length > MAX_RECORD_OCTETS || isTooLarge(record))
    throw new LookupError(KEY_TOO_LARGE, `the key at ${name} is too large`);
  return [[record]];
}

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
