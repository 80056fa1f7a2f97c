/** SCRAM-SHA-256: neither side shows its password, each proves that it knows it. RFC 5802, RFC 7677. */

import type { Secret } from '../../bindings/plugin/hooks.ts';
import { decodeText } from '../../bindings/wire/base64.ts';
import { areSameOctets, HostCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type MechanismContext, type Turn } from './mechanism.ts';
import {
  deriveKeys,
  hash,
  hmac,
  inventSalt,
  parseKeptKeys,
  type ScramKeys,
  type Salt,
} from '../../bindings/wire/scram-keys.ts';
import { parseClientFinal, parseClientFirst, type ClientFirst } from '../../bindings/wire/scram-message.ts';

const EMPTY = Buffer.alloc(0);

/** The client's proof, to be compared with the secret that a plugin keeps. */
class ProofCredentials extends HostCredentials {
  /** Our own proof towards the client, once a secret has turned out to be the right one. */
  serverSignature: Buffer | undefined = undefined;
  readonly #salt: Salt;
  readonly #signed: string;
  readonly #proof: Buffer;

  constructor(user: string, salt: Salt, signed: string, proof: Buffer) {
    super(user);
    this.#salt = salt;
    this.#signed = signed;
    this.#proof = proof;
  }

  override async verify(secret: Secret): Promise<boolean> {
    const keys = await this.#keysOf(secret);
    if (keys === undefined) return false;
    const signature = hmac(keys.storedKey, this.#signed);
    const clientKey = Buffer.from(this.#proof.map((octet, index) => octet ^ signature[index]!));
    if (!areSameOctets(hash(clientKey), keys.storedKey)) return false;
    this.serverSignature = hmac(keys.serverKey, this.#signed);
    return true;
  }

  /** Keys made with another salt than the client was told cannot fit. */
  async #keysOf(secret: Secret): Promise<ScramKeys | undefined> {
    if (typeof secret === 'string') return deriveKeys(secret, this.#salt);
    const { salt, ...keys } = parseKeptKeys(secret.scram);
    const isSame = salt.iterations === this.#salt.iterations && areSameOctets(salt.octets, this.#salt.octets);
    return isSame ? keys : undefined;
  }
}

export class ScramSha256 implements SaslServer {
  readonly #ownNonce: string;
  #first: ClientFirst | undefined;
  #salt: Salt | undefined;
  #serverFirst = '';
  #credentials: ProofCredentials | undefined;

  constructor({ nonce }: MechanismContext) {
    this.#ownNonce = nonce();
  }

  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(EMPTY) : this.next(initial);
  }

  next(response: Buffer): Turn {
    const text = decodeText(response) ?? '';
    return this.#first === undefined ? this.#readFirst(text) : this.#readFinal(text, this.#first);
  }

  /** The answer to the turn `salt`. */
  salted(salt: Salt | undefined): Turn {
    const { user, nonce } = this.#first!;
    this.#salt = salt ?? inventSalt(user);
    const { octets, iterations } = this.#salt;
    this.#serverFirst = `r=${nonce}${this.#ownNonce},s=${octets.toString('base64')},i=${iterations}`;
    return challenge(Buffer.from(this.#serverFirst));
  }

  get isProven(): boolean {
    return this.#credentials?.serverSignature !== undefined;
  }

  conclude(isAccepted: boolean): Buffer | undefined {
    const signature = this.#credentials?.serverSignature;
    if (!isAccepted || signature === undefined) return undefined;
    return Buffer.from(`v=${signature.toString('base64')}`);
  }

  #readFirst(text: string): Turn {
    this.#first = parseClientFirst(text);
    if (this.#first === undefined) return failure('invalid');
    return { kind: 'salt', user: this.#first.user, salted: (salt) => this.salted(salt) };
  }

  /** The nonce has to be the one of this exchange: an overheard message must not be good for another one. */
  #readFinal(text: string, { user, nonce, gs2Header, bare }: ClientFirst): Turn {
    const final = parseClientFinal(text);
    const binding = Buffer.from(gs2Header).toString('base64');
    if (final?.nonce !== nonce + this.#ownNonce || final.binding !== binding) {
      return failure('invalid');
    }
    const signed = `${bare},${this.#serverFirst},${final.withoutProof}`;
    this.#credentials = new ProofCredentials(user, this.#salt!, signed, final.proof);
    return found(this.#credentials);
  }
}
