/** The keys of SCRAM-SHA-256 and the forms in which they are kept. RFC 5802 section 3, RFC 7677, RFC 5803. */

import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { prepare } from './sasl-prep.ts';
import { decodeBase64 } from './base64.ts';

/** Salt and count of a user. RFC 5802 section 5.1. */
export interface Salt {
  readonly octets: Buffer;
  readonly iterations: number;
}

export const KEY_OCTETS = 32;
/** RFC 7677 section 4 asks for no fewer. */
const MIN_ITERATIONS = 4_096;
/** A count that a plugin has from a file must not keep a thread busy for seconds. */
const MAX_ITERATIONS = 1_000_000;

const derive = promisify(pbkdf2);

export interface ScramKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Keys together with the salt they were made with. */
export interface KeptKeys extends ScramKeys {
  readonly salt: Salt;
}

export const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
export const hash = (octets: Buffer): Buffer => createHash('sha256').update(octets).digest();

/** The keys of a password in clear text. Runs outside the event loop. */
export async function deriveKeys(password: string, { octets, iterations }: Salt): Promise<ScramKeys> {
  const salted = await derive(prepare(password), octets, iterations, KEY_OCTETS, 'sha256');
  return { storedKey: hash(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') };
}

/** Reads `COUNT:SALT`, the salt in base64; undefined if it is something else or the count is out of bounds. */
export function parseSalt(text: string): Salt | undefined {
  const [, count = '', salt = ''] = /^(\d{1,7}):(.+)$/.exec(text) ?? [];
  const iterations = Number(count);
  const octets = decodeBase64(salt);
  if (octets === undefined || octets.length === 0) return undefined;
  return iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS ? undefined : { octets, iterations };
}

/**
 * Reads `SCRAM-SHA-256$COUNT:SALT$STOREDKEY:SERVERKEY`. Throws if it is something else; the message does not quote it,
 * because anybody who has the keys can look for the password at leisure.
 */
export function parseKeptKeys(text: string): KeptKeys {
  const [, made = '', stored = '', server = ''] =
    /^SCRAM-SHA-256\$([^$]+)\$([^:$]+):([^:$]+)$/.exec(text) ?? [];
  const salt = parseSalt(made);
  const storedKey = decodeBase64(stored);
  const serverKey = decodeBase64(server);
  if (salt === undefined || storedKey?.length !== KEY_OCTETS || serverKey?.length !== KEY_OCTETS) {
    throw new Error('not SCRAM-SHA-256$COUNT:SALT$STOREDKEY:SERVERKEY with a count from 4096 to 1000000');
  }
  return { salt, storedKey, serverKey };
}

/** Known to this process alone. */
const inventionKey = randomBytes(KEY_OCTETS);

/**
 * The salt of a user for whom none is kept: always the same one, whether the user exists or not, so that asking for it
 * does not tell who does.
 */
export const inventSalt = (user: string): Salt => ({
  octets: hmac(inventionKey, user).subarray(0, 16),
  iterations: MIN_ITERATIONS,
});
