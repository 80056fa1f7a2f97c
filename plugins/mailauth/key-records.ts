/** Public keys in the DNS: what a name has, and what is refused before it costs anything. RFC 6376 section 3.6.2. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import { LookupError, type MailauthResolver } from './dns-resolver.ts';

/** Larger ones need not be verified (RFC 8301 section 3.2); one of 16,384 bits takes a hundred times as long. */
const MAX_KEY_BITS = 4_096;
/** A public exponent as long as the modulus makes verifying as slow as signing. */
const MAX_EXPONENT = 2n ** 64n;
/** A key of 4,096 bits takes about 800. */
const MAX_RECORD_OCTETS = 4_096;

export const KEY_TOO_LARGE = 'KEY_TOO_LARGE';

/** By name of the DNS: the one record of a key that counts. */
export type KeyAnswers = Map<string, Promise<string>>;

/**
 * What mailauth asks for keys by: each is asked for once, and not at all if it is among `answers`. One is read in a turn of the event
 * loop, by mailauth as well, however many answers come at once: fifty of them would hold all sessions up. Rejects with a
 * `LookupError` of `resolve`, or one whose code is `KEY_TOO_LARGE`.
 */
export function keyResolver(
  resolve: MailauthResolver,
  answers: KeyAnswers = new Map(),
): (name: string) => Promise<string[][]> {
  let turn: Promise<void> = Promise.resolve();
  return async (name) => {
    const answer = answers.get(name) ?? keyRecord(resolve, name);
    answers.set(name, answer);
    const record = await answer;
    await (turn = turn.then(yieldTurn));
    if (record.length > MAX_RECORD_OCTETS || isTooLarge(record))
      throw new LookupError(KEY_TOO_LARGE, `the key at ${name} is too large`);
    return [[record]];
  };
}

async function keyRecord(resolve: MailauthResolver, name: string): Promise<string> {
  const records = (await resolve(name, 'TXT')).flat();
  // What else stands there, such as a wildcard's SPF record, is none of ours. RFC 6376 section 6.1.2 leaves the choice among keys.
  return records.find((text) => /(?:^|;)\s*p\s*=/.test(text)) ?? records[0] ?? '';
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
