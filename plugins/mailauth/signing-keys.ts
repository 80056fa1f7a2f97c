/** The private keys of this host: `dkim/DOMAIN/selector` says which there are, `dkim/DOMAIN/private` is one. */

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { basename, dirname } from 'node:path';
import type { CheckList, Config, Files } from '../../bindings/plugin/index.ts';

export interface SigningKey {
  /** `d=`. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  readonly key: KeyObject;
}

type KeyFiles = Pick<Files, 'kindOf' | 'linkTarget' | 'list' | 'openKeyWarning'>;

/** Receivers must refuse shorter keys. RFC 8301 section 3.2. */
const MIN_BITS = 1_024;
/** A message has one signature for each. */
const MAX_KEYS = 4;
const DOMAIN = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+$/;
/** RFC 6376 section 3.1. */
const SELECTOR = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const KEY_FILE = /^[A-Za-z0-9_.-]+$/;

/** Reads keys as the configuration has them now: a key that was replaced counts from the next message on. */
export class SigningKeys {
  readonly #config: Config;
  readonly #files: KeyFiles;
  readonly #warn: (text: string) => void;
  /** By the lines they were made of, which are other lines once the file has changed. */
  readonly #parsed = new WeakMap<readonly string[], KeyObject>();
  readonly #owners = new WeakMap<readonly string[], Map<string, string>>();

  constructor(config: Config, files: KeyFiles, warn: (text: string) => void) {
    this.#config = config;
    this.#files = files;
    this.#warn = warn;
  }

  /**
   * The keys of the domain or of the nearest domain above it, none if there are none. `domain` is canonical. Rejects with an
   * Error that names file and remedy if they cannot be used.
   */
  async of(domain: string): Promise<readonly SigningKey[]> {
    if (!DOMAIN.test(domain)) return [];
    for (let at = domain; at.includes('.'); at = at.slice(at.indexOf('.') + 1)) {
      const folder = `dkim/${at}`;
      const selectors = this.#config.lines(`${folder}/selector`);
      if (selectors.length > 0) return this.#keysIn(folder, at, selectors);
      if (this.#config.lines(`${folder}/private`).length > 0)
        throw new Error(
          `${this.#pathOf(`${folder}/selector`)} is missing: write the selector of the key into it, the label before ._domainkey.${at} in the DNS`,
        );
    }
    return [];
  }

  /** For `qpsmtpd check`: what is wrong with the keys there are; undefined if there is no folder of keys. */
  async findings(): Promise<CheckList | undefined> {
    const folder = dirname(dirname(this.#pathOf('dkim/none.invalid/selector')));
    if ((await this.#files.kindOf(folder)) !== 'directory') return undefined;
    const items: string[] = [];
    for (const { name, kind } of await this.#files.list(folder)) {
      if (kind !== 'directory' && kind !== 'link') continue;
      await this.of(name).catch((failure: unknown) => {
        items.push(failure instanceof Error ? failure.message : String(failure));
      });
    }
    return {
      headline: 'keys that nothing can be signed with, so that mail of their domains is put off:',
      items,
    };
  }

  async #keysIn(folder: string, domain: string, lines: readonly string[]): Promise<readonly SigningKey[]> {
    const file = this.#pathOf(`${folder}/selector`);
    if (lines.length > MAX_KEYS)
      throw new Error(`${file}: more than ${MAX_KEYS} selectors, and each is a signature`);
    const owner = await this.#ownerOf(dirname(file), domain, lines);
    return lines.map((line) => {
      const [selector = '', keyFile = 'private', ...rest] = line.split(/\s+/);
      if (!SELECTOR.test(selector) || !KEY_FILE.test(keyFile) || rest.length > 0)
        throw new Error(`${file}: "${line}" is not SELECTOR or SELECTOR KEYFILE`);
      const key = this.#keyIn(`${folder}/${keyFile}`);
      return {
        domain: owner,
        selector,
        algorithm: key.asymmetricKeyType === 'rsa' ? 'rsa-sha256' : 'ed25519-sha256',
        key,
      };
    });
  }

  /** A folder that is a link stands for the domain it leads to, as in qpsmtpd: that one has the key in the DNS. */
  async #ownerOf(folder: string, domain: string, lines: readonly string[]): Promise<string> {
    const known = this.#owners.get(lines) ?? new Map<string, string>();
    this.#owners.set(lines, known);
    const before = known.get(domain);
    if (before !== undefined) return before;
    const target = await this.#files.linkTarget(folder);
    const named = target === undefined ? domain : basename(target).toLowerCase();
    const owner = DOMAIN.test(named) ? named : domain;
    known.set(domain, owner);
    return owner;
  }

  #keyIn(name: string): KeyObject {
    const lines = this.#config.lines(name);
    const known = this.#parsed.get(lines);
    if (known !== undefined) return known;
    const path = this.#pathOf(name);
    if (lines.length === 0) throw new Error(`${path} is missing or empty: ${REMEDY}`);
    const key = readKey(path, `${lines.join('\n')}\n`);
    const warning = this.#files.openKeyWarning(path);
    if (warning !== undefined) this.#warn(warning);
    this.#parsed.set(lines, key);
    return key;
  }

  #pathOf(name: string): string {
    return this.#config.placeOf(name).file;
  }
}

const REMEDY = '`qpsmtpd dkim-key DOMAIN` makes a key';

function readKey(path: string, pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new Error(`${path} is no private key in PEM without a passphrase: ${REMEDY}`, { cause });
  }
  const { modulusLength = MIN_BITS } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'ed25519' && key.asymmetricKeyType !== 'rsa')
    throw new Error(
      `${path} is a key of type ${key.asymmetricKeyType}, and signatures need RSA or Ed25519: ${REMEDY}`,
    );
  if (modulusLength < MIN_BITS)
    throw new Error(
      `${path} has ${modulusLength} bits, and receivers refuse less than ${MIN_BITS}: ${REMEDY}`,
    );
  return key;
}
