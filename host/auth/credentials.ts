/**
 * The credentials from AUTH, as plugins get them. Everything secret is in private fields: an object that ends up in a
 * log or in an error message by accident shows the user and nothing else.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Credentials, Secret } from '../../bindings/plugin/hooks.ts';
import { prepare } from '../../bindings/wire/sasl-prep.ts';
import { deriveKeys, parseKeptKeys } from '../../bindings/wire/scram-keys.ts';

export abstract class HostCredentials implements Credentials {
  readonly user: string;

  constructor(user: string) {
    this.user = user;
  }

  get password(): string | undefined {
    return undefined;
  }

  get ticket(): string | undefined {
    return undefined;
  }

  get digest(): string | undefined {
    return undefined;
  }

  get token(): string | undefined {
    return undefined;
  }

  abstract verify(secret: Secret): Promise<boolean>;

  /** What must not be read in a log. */
  get secrets(): readonly string[] {
    return [this.password, this.digest, this.token].filter((text) => text !== undefined);
  }
}

/** PLAIN and LOGIN. */
export class PasswordCredentials extends HostCredentials {
  readonly #password: string;

  constructor(user: string, password: string) {
    super(user);
    this.#password = password;
  }

  override get password(): string {
    return this.#password;
  }

  override async verify(secret: Secret): Promise<boolean> {
    if (typeof secret === 'string') return isSameSecret(prepare(this.#password), prepare(secret));
    const kept = parseKeptKeys(secret.scram);
    const { storedKey } = await deriveKeys(this.#password, kept.salt);
    return areSameOctets(storedKey, kept.storedKey);
  }
}

/** CRAM-MD5. RFC 2195 section 2. */
export class DigestCredentials extends HostCredentials {
  readonly #ticket: string;
  readonly #digest: string;

  constructor(user: string, ticket: string, digest: string) {
    super(user);
    this.#ticket = ticket;
    this.#digest = digest;
  }

  override get ticket(): string {
    return this.#ticket;
  }

  override get digest(): string {
    return this.#digest;
  }

  override verify(secret: Secret): Promise<boolean> {
    if (typeof secret !== 'string') return Promise.resolve(false);
    const expected = createHmac('md5', secret).update(this.#ticket).digest('hex');
    return Promise.resolve(isSameSecret(this.#digest, expected));
  }
}

/** OAUTHBEARER and XOAUTH2. */
export class TokenCredentials extends HostCredentials {
  readonly #token: string;

  constructor(user: string, token: string) {
    super(user);
    this.#token = token;
  }

  override get token(): string {
    return this.#token;
  }

  override verify(secret: Secret): Promise<boolean> {
    return Promise.resolve(typeof secret === 'string' && isSameSecret(this.#token, secret));
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/** True if both are the same; takes the same time whatever they have in common. */
export const isSameSecret = (left: string, right: string): boolean =>
  timingSafeEqual(digest(left), digest(right));

/** The same for octets; false at once if their numbers differ, which are no secret. */
export const areSameOctets = (left: Buffer, right: Buffer): boolean =>
  left.length === right.length && timingSafeEqual(left, right);
