/**
 * Idempotency keys: a request that is sent again with the same key gets the first answer, and no second message goes out.
 * draft-ietf-httpapi-idempotency-key-header. What is known of a key stands in the store, so that it holds for all workers and
 * over a restart.
 */

import { createHash, randomUUID } from 'node:crypto';
import type { Store } from '../../bindings/plugin/store.ts';
import { InjectionProblem, type Answer } from './problems.ts';

/** How long the answer to a key is kept. */
export const KEPT_MS = 86_400_000;
/** How long a key belongs to a request that has not been heard of: its process may have died. */
const LEASE_MS = 120_000;
const RENEWAL_MS = LEASE_MS / 4;
/** New keys of one login within an hour, in each process: a day of them still is no burden for the store. */
export const KEYS_PER_HOUR = 50_000;
const HOUR_MS = 3_600_000;

/** How many keys each login has begun in this hour. Without a bound one client could fill the store for all. */
export class KeyCounts {
  readonly #now: () => number;
  #hour = 0;
  #counts = new Map<string, number>();

  constructor(now: () => number = () => Date.now()) {
    this.#now = now;
  }

  isFull(login: string): boolean {
    const hour = Math.floor(this.#now() / HOUR_MS);
    if (hour !== this.#hour) this.#counts = new Map();
    this.#hour = hour;
    return (this.#counts.get(login) ?? 0) >= KEYS_PER_HOUR;
  }

  add(login: string): void {
    this.#counts.set(login, (this.#counts.get(login) ?? 0) + 1);
  }

  get secondsToNextHour(): number {
    return Math.ceil((HOUR_MS - (this.#now() % HOUR_MS)) / 1_000);
  }
}

/** What tells two requests apart: everything but the body, and the body if it was read. */
export interface Fingerprint {
  readonly head: string;
  /** Undefined: the answer was known before the body was read. */
  readonly body: string | undefined;
}

interface Running {
  readonly owner: string;
}

interface Done {
  readonly fingerprint: Fingerprint;
  readonly answer: Answer;
}

/** A key that the request has for itself until it lets go of it. */
export interface Claim {
  /** Keeps the answer for those who come with the same key. */
  settle(fingerprint: Fingerprint, answer: Answer): Promise<void>;
  /** Nothing was done: the next request with the key begins anew. */
  release(): Promise<void>;
}

/** The key of a request, as a structured field (a quoted string) or bare, as most clients send it; undefined without one. */
export function readKey(field: string | readonly string[] | undefined): string | undefined {
  if (field === undefined) return undefined;
  const text = typeof field === 'string' ? field : field.join(',');
  const [, quoted, bare] = /^(?:"((?:[ !#-[\]-~]|\\["\\])*)"|([!#-+\--:<-[\]-~]+))$/.exec(text) ?? [];
  const key = bare ?? quoted?.replace(/\\(.)/g, '$1') ?? '';
  if (key.length >= 1 && key.length <= 255) return key;
  throw new InjectionProblem(
    'malformed',
    'Idempotency-Key has to be one string of 1 to 255 visible characters, such as a UUID',
  );
}

export class IdempotencyKeys {
  readonly #store: Store;
  readonly #counts: KeyCounts;

  /** `counts` is that of the process. */
  constructor(store: Store, counts: KeyCounts) {
    this.#store = store;
    this.#counts = counts;
  }

  /** A claim on the key, or the answer it has already. Throws a problem while another request has it. */
  async begin(login: string, key: string): Promise<Claim | Done> {
    const owner = randomUUID();
    const id = `key:${digest(`${login}\0${key}`)}`;
    const found = await this.#store.transact<Running | Done | 'ours' | 'full'>(id, (text) => {
      if (text !== undefined) return { answer: JSON.parse(text) as Running | Done };
      if (this.#counts.isFull(login)) return { answer: 'full' };
      return { value: JSON.stringify({ owner }), expiresInMs: LEASE_MS, answer: 'ours' };
    });
    if (found === 'full') throw this.#tooMany();
    if (found === 'ours') {
      this.#counts.add(login);
      return this.#claim(id, owner);
    }
    if ('answer' in found) return found;
    throw new InjectionProblem('in-progress', 'the first request with this key is not answered yet');
  }

  #tooMany(): InjectionProblem {
    return new InjectionProblem('too-many-keys', `no more than ${KEYS_PER_HOUR} new keys in an hour`, {
      'retry-after': String(this.#counts.secondsToNextHour),
    });
  }

  #claim(id: string, owner: string): Claim {
    const store = this.#store;
    let isOver = false;
    /** Changes the record if it still is ours, or has run out and nobody else's. */
    const change = (value: string | null, expiresInMs?: number, isRenewal = false): Promise<boolean> =>
      store.transact(id, (text) => {
        const isOurs = text === undefined || (JSON.parse(text) as Partial<Running>).owner === owner;
        // A renewal that the store takes up late would lay claim to a key that was let go of meanwhile.
        const isLate = isRenewal && isOver;
        return isOurs && !isLate ? { value, expiresInMs, answer: true } : { answer: false };
      });
    const renew = (): void => void change(JSON.stringify({ owner }), LEASE_MS, true).catch(() => undefined);
    const timer = setInterval(renew, RENEWAL_MS).unref();
    const end = (): void => {
      isOver = true;
      clearInterval(timer);
    };
    return {
      async settle(fingerprint, answer) {
        end();
        await change(JSON.stringify({ fingerprint, answer } satisfies Done), KEPT_MS);
      },
      async release() {
        end();
        await change(null);
      },
    };
  }
}

/** Throws a problem if the request is another one than the one that was answered. */
export function requireSame(first: Fingerprint, second: Fingerprint): void {
  const isSame = first.head === second.head && (first.body === undefined || first.body === second.body);
  if (!isSame)
    throw new InjectionProblem(
      'key-reused',
      'a request with this key was answered already, and it was another one',
    );
}

/** Keys and logins are not told to those who can read the store. */
export const digest = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
