/** The file `http_tokens`: who may ask for what. The secrets themselves are not kept, and appear in no text. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import type { PlacedLine } from '../../bindings/lists/placed-line.ts';
import { printPlace } from '../errors/error-classes.ts';
import { suggest } from '../../bindings/lists/nearest.ts';

/** What a token is good for. */
export const TOKEN_SCOPES = ['inject', 'relay', 'nginx-auth'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface HttpToken {
  readonly scopes: ReadonlySet<TokenScope>;
  /** Where its line stands, for the log. */
  readonly name: string;
  /** The user that a client with this token is: that of `as=USER`, or one made of the token's digest. */
  readonly login: string;
}

/** Shorter ones can be guessed over a network in time. */
const LEAST_OCTETS = 16;
const TOKEN = /^[!-~]+$/;
const OTHERS_MAY_OPEN = 0o006;

interface Entry extends HttpToken {
  readonly digest: Buffer;
}

export class HttpTokens {
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** Throws an Error that says what is wrong with a line, without its secret. */
  static compile(lines: readonly PlacedLine[]): HttpTokens {
    return new HttpTokens(lines.map(readLine));
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** True if some token is good for it. */
  serves(scope: TokenScope): boolean {
    return this.#entries.some(({ scopes }) => scopes.has(scope));
  }

  /**
   * The token that a client shows, if it is one of ours. Looks at all of them, and compares digests: how long that takes
   * tells nothing about how much of a guess was right (timing attack).
   */
  find(shown: string): HttpToken | undefined {
    const digest = digestOf(shown);
    let found: Entry | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry;
    return found;
  }

  /** For the log of a setting that was not understood. */
  toJSON(): string {
    return `${this.#entries.length} tokens`;
  }
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

function readLine({ text, place }: PlacedLine): Entry {
  refuseOpenFile(place.file);
  const [token = '', ...options] = text.split(/[ \t]+/);
  const scopes = options.filter((option) => !option.startsWith(LOGIN));
  if (token.length < LEAST_OCTETS || !TOKEN.test(token))
    throw new Error(
      `a token has at least ${LEAST_OCTETS} visible characters; \`openssl rand -hex 24\` makes one`,
    );
  if (scopes.length === 0) throw new Error(`the token has no scope: add ${TOKEN_SCOPES.join(' or ')}`);
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined)
    throw new Error(`there is no scope '${unknown}'${suggest(unknown, TOKEN_SCOPES)}`);
  const digest = digestOf(token);
  return {
    digest,
    scopes: new Set(scopes.filter(isScope)),
    name: printPlace(place),
    login: readLogin(options) ?? `token-${digest.toString('hex', 0, 4)}`,
  };
}

const LOGIN = 'as=';

function readLogin(options: readonly string[]): string | undefined {
  const [first, ...others] = options.filter((option) => option.startsWith(LOGIN));
  const login = first?.slice(LOGIN.length);
  if (login === undefined) return undefined;
  if (others.length === 0 && /^[!-~]{1,64}$/.test(login)) return login;
  throw new Error(`${LOGIN} names one user of 1 to 64 visible characters`);
}

const isScope = (text: string): text is TokenScope => (TOKEN_SCOPES as readonly string[]).includes(text);

/** Any user of this host could inject mail otherwise, by a token of ours or one more. Lines that are in no file have nobody to read them. */
function refuseOpenFile(file: string): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & OTHERS_MAY_OPEN) !== 0)
    throw new Error('every user of this host can read or write the tokens: chmod 640 the file');
}
