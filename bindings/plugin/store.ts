/** State that outlives connections and is shared by all processes of the daemon: reputations, retries, counts. */

export interface Stores {
  /**
   * The part of the store that goes by `name` (lower-case letters, digits, `_`, `-`). Nothing is opened or connected
   * before the first question. Throws if the store can't be where it is configured to be.
   *
   * `at` names another place than the configured one: `lmdb:DIRECTORY` or `redis://HOST:PORT/DATABASE`.
   */
  open(name: string, options?: { readonly at?: string | undefined }): Store;
}

/**
 * Texts by key. Every method rejects when the store is down, full or slow: within seconds, and at once for a while
 * after that. A check that needs it is then skipped (`error` finding); no client has to wait for the store to recover.
 */
export interface Store {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, options?: { readonly expiresInMs?: number }): Promise<void>;
  /** Reads and writes as one atomic step. `change` must be pure: it may be asked again. */
  transact<A>(key: string, change: (value: string | undefined) => Change<A>): Promise<A>;
  /** True if there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** All entries whose key begins with `prefix`, those that change meanwhile before or after the change. */
  scan(prefix?: string): AsyncIterable<readonly [key: string, value: string]>;
  /** Deletes what was last written before that time, in milliseconds since the epoch; resolves with how many. */
  prune(writtenBefore: number): Promise<number>;
}

/** What `transact` leaves behind, and what it resolves with. */
export interface Change<A> {
  /** The new value; `null` deletes, `undefined` leaves everything as it is. */
  readonly value?: string | null | undefined;
  /** From now on; without it the entry stays until it is deleted. */
  readonly expiresInMs?: number | undefined;
  readonly answer: A;
}
