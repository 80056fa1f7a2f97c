/** One store as one process uses it: opened at the first question, never waited for long, given a rest after a failure. */

import { StoreError, type Backend } from './backend.ts';
import { connectProblem } from '../../bindings/plugin/connect.ts';
import { openLmdb } from './lmdb-backend.ts';
import { openRedis } from './redis-backend.ts';
import { printStoreLocation, type StoreLocation } from '../settings/store-settings.ts';

/** How long one question may take, from opening the store to the last try. */
export const PATIENCE_MS = 2_000;
/** How long a store that failed is left alone: its failure costs one client two seconds, not every client. */
export const REST_MS = 5_000;

/** Aborts a request that has taken too long. */
export interface Attempt {
  isOver: boolean;
}

type Question<T> = (backend: Backend, attempt: Attempt) => Promise<T>;
type Open = (location: StoreLocation) => Promise<Backend>;

const openBackend: Open = (location) =>
  location.kind === 'lmdb' ? openLmdb(location.directory) : openRedis(location.url);

export interface StoreConnectionOptions {
  readonly patienceMs?: number;
  readonly restMs?: number;
  /** Called once the back end is open, each time it is opened. */
  readonly opened?: (backend: Backend) => void;
  readonly open?: Open;
}

export class StoreConnection {
  readonly #location: StoreLocation;
  readonly #options: StoreConnectionOptions;
  readonly #turns = new Map<string, Promise<void>>();
  readonly #underWay = new Set<Promise<unknown>>();
  #backend: Promise<Backend> | undefined;
  #restsUntil = 0;
  #isClosed = false;

  constructor(location: StoreLocation, options: StoreConnectionOptions = {}) {
    this.#location = location;
    this.#options = options;
  }

  /** Asks the back end; rejects with a `StoreError` if it fails or takes too long. */
  ask<T>(question: Question<T>): Promise<T> {
    return this.#isClosed ? Promise.reject(this.#error('is closed')) : this.#ask(question);
  }

  /** Like `ask`, but questions about the same key wait for each other: they would only get into each other's way. */
  async askInTurn<T>(key: string, question: Question<T>): Promise<T> {
    if (this.#isClosed) throw this.#error('is closed');
    const before = this.#turns.get(key);
    const answer = before === undefined ? this.#ask(question) : before.then(this.#askIfInTime(question));
    const done = answer.then(nothing, nothing);
    this.#turns.set(key, done);
    try {
      return await answer;
    } finally {
      if (this.#turns.get(key) === done) this.#turns.delete(key);
    }
  }

  /** Waits for what is under way, none of which takes longer than one question may, and closes the back end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#turns.values());
    await Promise.allSettled(this.#underWay);
    const closed = this.#backend?.then((backend) => backend.close());
    if (closed !== undefined) await this.#inTime(closed).catch(nothing);
  }

  async #ask<T>(question: Question<T>): Promise<T> {
    if (performance.now() < this.#restsUntil) throw this.#error('failed a moment ago');
    const attempt: Attempt = { isOver: false };
    const answer = this.#inTime(this.#open().then((backend) => question(backend, attempt)));
    this.#underWay.add(answer);
    try {
      return await answer;
    } catch (cause) {
      this.#restsUntil = performance.now() + (this.#options.restMs ?? REST_MS);
      throw cause instanceof StoreError ? cause : this.#error(`failed: ${connectProblem(cause)}`, cause);
    } finally {
      attempt.isOver = true;
      this.#underWay.delete(answer);
    }
  }

  /** A caller that has waited for its turn as long as an answer may take is not made to wait for the answer as well. */
  #askIfInTime<T>(question: Question<T>): () => Promise<T> {
    const { patienceMs = PATIENCE_MS } = this.#options;
    const until = performance.now() + patienceMs;
    return () => {
      if (performance.now() <= until) return this.#ask(question);
      throw this.#error(`was too busy for ${patienceMs} ms`);
    };
  }

  #open(): Promise<Backend> {
    return (this.#backend ??= this.#openNow());
  }

  async #openNow(): Promise<Backend> {
    try {
      const backend = await (this.#options.open ?? openBackend)(this.#location);
      this.#options.opened?.(backend);
      return backend;
    } catch (error) {
      this.#backend = undefined;
      throw error;
    }
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    const { patienceMs = PATIENCE_MS } = this.#options;
    return new Promise<T>((resolve, reject) => {
      const late = (): void => reject(this.#error(`did not answer within ${patienceMs} ms`));
      const timer = setTimeout(late, patienceMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  #error(problem: string, cause?: unknown): StoreError {
    return new StoreError(`the store ${printStoreLocation(this.#location)} ${problem}`, cause);
  }
}

const nothing = (): void => undefined;
