/** SCRAM-SHA-256 as the client: the password is not sent, and the hop has to show that it knows it too. RFC 5802, RFC 7677. */

import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64 } from '../../../bindings/wire/base64.ts';
import { prepare } from '../../../bindings/wire/sasl-prep.ts';
import { hash, hmac, KEY_OCTETS, parseSalt } from '../../../bindings/wire/scram-keys.ts';
import type { SaslClient } from './sasl-clients.ts';

const derive = promisify(pbkdf2);
const NONCE_OCTETS = 18;
/** Without channel binding; base64 of `n,,` is `biws`. */
const GS2_HEADER = 'n,,';

export class ScramClient implements SaslClient {
  readonly initial: Buffer;
  readonly #password: string;
  readonly #nonce: string;
  readonly #bare: string;
  #serverSignature: Buffer | undefined;
  #isVerified = false;

  /** `nonce` is for tests with known answers. */
  constructor(user: string, password: string, nonce = randomBytes(NONCE_OCTETS).toString('base64')) {
    const name = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#password = password;
    this.#nonce = nonce;
    this.#bare = `n=${name},r=${nonce}`;
    this.initial = Buffer.from(`${GS2_HEADER}${this.#bare}`);
  }

  next(challenge: Buffer): Buffer | Promise<Buffer> {
    const text = challenge.toString();
    return this.#serverSignature === undefined ? this.#prove(text) : this.#verify(text);
  }

  /** A hop that accepts without a signature may be anybody: it did not need the password. */
  finish(): void {
    if (!this.#isVerified) throw new Error('the hop has not shown that it knows the password');
  }

  async #prove(serverFirst: string): Promise<Buffer> {
    const [, nonce = '', saltText = '', count = ''] =
      /^r=([^,]+),s=([^,]+),i=(\d+)(?:,|$)/.exec(serverFirst) ?? [];
    const salt = parseSalt(`${count}:${saltText}`);
    if (salt === undefined || nonce.length > 256 || !nonce.startsWith(this.#nonce) || nonce === this.#nonce) {
      throw new Error('a broken challenge');
    }
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`;
    const signed = `${this.#bare},${serverFirst},${withoutProof}`;
    const salted = await derive(prepare(this.#password), salt.octets, salt.iterations, KEY_OCTETS, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(hash(clientKey), signed);
    const proof = Buffer.from(clientKey.map((octet, index) => octet ^ signature[index]!));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), signed);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  #verify(serverFinal: string): Buffer {
    const given = decodeBase64(/^v=([^,]+)/.exec(serverFinal)?.[1] ?? '');
    const expected = this.#serverSignature!;
    if (given?.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new Error('the hop does not know the password');
    }
    this.#isVerified = true;
    return Buffer.alloc(0);
  }
}
