/** The store as plugins see it, over any back end: names, lifetimes and atomic steps. */

import { createHash } from 'node:crypto';
import type { Change, Store } from '../../bindings/plugin/store.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import {
  parseRecord,
  printRecord,
  StoreError,
  type Backend,
  type VersionedText,
  type StoredRecord,
} from './backend.ts';
import type { Attempt, StoreConnection } from './store-connection.ts';

/** LMDB takes 1,978 octets. Clients choose keys, and one that does not fit must not get around a check. */
const MAX_KEY_OCTETS = 1_000;
/** Each failed try means that another process got through, so this is reached only by a fault. */
const MAX_TRIES = 1_000;

export class RecordStore implements Store {
  readonly #prefix: string;
  readonly #connection: StoreConnection;
  readonly #clock: Clock;

  constructor(name: string, connection: StoreConnection, clock: Clock) {
    if (!/^[a-z0-9_-]{1,64}$/.test(name))
      throw new StoreError(`\`${name}\` is no name for a part of the store`);
    this.#prefix = `${name}:`;
    this.#connection = connection;
    this.#clock = clock;
  }

  get(key: string): Promise<string | undefined> {
    return this.#connection.ask(
      async (backend) => this.#recordIn(await backend.read(this.#keyOf(key)))?.value,
    );
  }

  async set(key: string, value: string, options: { readonly expiresInMs?: number } = {}): Promise<void> {
    await this.transact(key, () => ({ value, ...options, answer: undefined }));
  }

  delete(key: string): Promise<boolean> {
    return this.transact(key, (value) => ({ value: null, answer: value !== undefined }));
  }

  async transact<A>(key: string, change: (value: string | undefined) => Change<A>): Promise<A> {
    const stored = this.#keyOf(key);
    let thrown: { readonly cause: unknown } | undefined;
    const judge = (value: string | undefined): Change<A> | undefined => {
      try {
        return change(value);
      } catch (cause) {
        thrown = { cause };
        return undefined;
      }
    };
    const outcome = await this.#connection.askInTurn(stored, (backend, attempt) =>
      this.#transact(backend, stored, judge, attempt),
    );
    // A mistake of the caller, and no reason to give the store a rest.
    if (outcome === undefined) throw thrown?.cause ?? new StoreError(`others kept changing \`${key}\``);
    return outcome.answer;
  }

  async #transact<A>(
    backend: Backend,
    key: string,
    judge: (value: string | undefined) => Change<A> | undefined,
    attempt: Attempt,
  ): Promise<Change<A> | undefined> {
    for (let tries = 0; tries < MAX_TRIES && !attempt.isOver; tries++) {
      const seen = await backend.read(key);
      const change = judge(this.#recordIn(seen)?.value);
      if (change?.value === undefined) return change;
      const text = change.value === null ? undefined : this.#print(change.value, change.expiresInMs);
      if (await backend.swap(key, seen, text, change.expiresInMs)) return change;
    }
    return undefined;
  }

  async *scan(prefix = ''): AsyncGenerator<readonly [string, string]> {
    for await (const [key, { value }] of this.#records(this.#prefix + prefix)) {
      yield [key.slice(this.#prefix.length), value];
    }
  }

  async prune(writtenBefore: number): Promise<number> {
    return this.#removeWhere((record) => record.writtenAt < writtenBefore);
  }

  /** Deletes what has expired, for back ends that keep it. */
  sweep(): Promise<number> {
    return this.#removeWhere(({ expiresAt }) => expiresAt <= this.#clock.now());
  }

  async #removeWhere(isOld: (record: StoredRecord) => boolean): Promise<number> {
    let removed = 0;
    for await (const piece of this.#pieces(this.#prefix)) {
      for (const key of piece)
        removed += await this.#connection.ask((backend) => removeIf(backend, key, isOld));
    }
    return removed;
  }

  async *#records(prefix: string): AsyncGenerator<readonly [string, StoredRecord]> {
    for await (const piece of this.#pieces(prefix)) {
      for (const key of piece) {
        const record = await this.#connection.ask(async (backend) => this.#recordIn(await backend.read(key)));
        if (record !== undefined) yield [key, record];
      }
    }
  }

  /** The time limit holds for each piece, not for the whole. */
  async *#pieces(prefix: string): AsyncGenerator<readonly string[]> {
    const pieces = await this.#connection.ask(async (backend) =>
      backend.keys(prefix)[Symbol.asyncIterator](),
    );
    for (;;) {
      const { done, value } = await this.#connection.ask(() => pieces.next());
      if (done === true) return;
      yield value;
    }
  }

  #recordIn(seen: VersionedText | undefined): StoredRecord | undefined {
    const record = seen === undefined ? undefined : parseRecord(seen.text);
    return record !== undefined && record.expiresAt > this.#clock.now() ? record : undefined;
  }

  #print(value: string, expiresInMs = Infinity): string {
    const writtenAt = this.#clock.now();
    return printRecord({ value, writtenAt, expiresAt: Math.ceil(writtenAt + expiresInMs) });
  }

  #keyOf(key: string): string {
    const whole = this.#prefix + key;
    if (Buffer.byteLength(whole) <= MAX_KEY_OCTETS) return whole;
    return `${whole.slice(0, 100)}#${createHash('sha256').update(whole).digest('hex')}`;
  }
}

/** True if the record was old and was not written meanwhile. */
async function removeIf(
  backend: Backend,
  key: string,
  isOld: (record: StoredRecord) => boolean,
): Promise<number> {
  const seen = await backend.read(key);
  const record = seen === undefined ? undefined : parseRecord(seen.text);
  if (seen === undefined || (record !== undefined && !isOld(record))) return 0;
  return (await backend.swap(key, seen, undefined, undefined)) ? 1 : 0;
}
