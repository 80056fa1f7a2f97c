/** The client's side of SASL mechanisms. RFC 4422. */

import { createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64 } from '../../../bindings/wire/base64.ts';
import { prepare } from '../../../bindings/wire/sasl-prep.ts';
import { hash, hmac, KEY_OCTETS, parseSalt } from '../../../bindings/wire/scram-keys.ts';

/** What a hop wants to know before it takes mail. */
export interface HopLogin {
  readonly user: string;
  /** Undefined if there is a token. */
  readonly password: string | undefined;
  /** For XOAUTH2. */
  readonly token: string | undefined;
  /** The only mechanism to use, in upper case; undefined: the best that is offered. */
  readonly mechanism: string | undefined;
}

/** One exchange. Throws an Error that says what is wrong with the hop's side of it, without secrets. */
export interface SaslClient {
  /** What goes out with AUTH; undefined where the hop speaks first. */
  readonly initial: Buffer | undefined;
  /** The answer to a challenge. */
  next(challenge: Buffer): Buffer | Promise<Buffer>;
  /** Throws if the hop has not shown what it had to. */
  finish?(): void;
}

/** RFC 4616. */
const plain = ({ user, password }: HopLogin): SaslClient => ({
  initial: Buffer.from(`\0${user}\0${password ?? ''}`),
  next: refuseChallenge,
});

/** Never standardized; the prompts are not to be relied on. */
function login({ user, password }: HopLogin): SaslClient {
  const answers = [user, password ?? ''];
  return { initial: undefined, next: () => Buffer.from(answers.shift() ?? refuseChallenge()) };
}

/** RFC 2195. */
const cramMd5 = ({ user, password }: HopLogin): SaslClient => ({
  initial: undefined,
  next: (challenge) =>
    Buffer.from(
      `${user} ${createHmac('md5', password ?? '')
        .update(challenge)
        .digest('hex')}`,
    ),
});

/** Google's and Microsoft's form of RFC 6750. A challenge explains a failure and wants nothing but an empty answer. */
const xoauth2 = ({ user, token }: HopLogin): SaslClient => ({
  initial: Buffer.from(`user=${user}\u0001auth=Bearer ${token ?? ''}\u0001\u0001`),
  next: () => Buffer.alloc(0),
});

function refuseChallenge(): never {
  throw new Error('a challenge that has no place here');
}

/** By name, the best first. */
const CLIENTS: ReadonlyMap<string, (login: HopLogin) => SaslClient> = new Map([
  ['SCRAM-SHA-256', (login: HopLogin): SaslClient => new ScramClient(login.user, login.password ?? '')],
  ['CRAM-MD5', cramMd5],
  ['PLAIN', plain],
  ['LOGIN', login],
  ['XOAUTH2', xoauth2],
]);

/** The mechanism to use of those `offered`, in upper case; undefined if none fits. */
export function chooseMechanism(
  offered: readonly string[],
  { token, mechanism }: HopLogin,
): { readonly name: string; readonly begin: (login: HopLogin) => SaslClient } | undefined {
  for (const [name, begin] of CLIENTS) {
    const fits = (name === 'XOAUTH2') === (token !== undefined) && (mechanism ?? name) === name;
    if (fits && offered.includes(name)) return { name, begin };
  }
  return undefined;
}

const derive = promisify(pbkdf2);
const NONCE_OCTETS = 18;
/** Without channel binding; base64 of `n,,` is `biws`. */
const GS2_HEADER = 'n,,';

/** SCRAM-SHA-256: the password is not sent, and the hop has to show that it knows it too. RFC 5802, RFC 7677. */
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
