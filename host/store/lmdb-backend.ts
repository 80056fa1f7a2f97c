/** The embedded store: one LMDB file, mapped by every process of this machine that uses it. */

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import type { Backend, VersionedText } from './backend.ts';
import { checkStoreFile, STORE_FILE } from './store-directory.ts';

/** Keys that are handed over, or looked at, in one go. */
const PIECE = 500;

/** Opens the file, making it if it is missing. `directory` has passed `openStoreDirectory`. */
export async function openLmdb(directory: string): Promise<Backend> {
  await checkStoreFile(directory);
  const { open } = await import('lmdb');
  const path = join(directory, STORE_FILE);
  const database = open<string, string>({
    path,
    encoding: 'string',
    // The version of an entry tells whether it is still the one that was read.
    useVersions: true,
    // With batches of its own making, the library rejects promises nobody can listen to when the disk is full.
    eventTurnBatching: false,
    // A commit that is not yet on the disk is rolled back by the next process that opens the file after a kill: a client would have
    // been told something that is lost.
    overlappingSync: false,
  });
  // The directory may be one that others can read.
  await chmod(path, 0o600);
  // Processes that were killed leave their places in the table of readers taken.
  database.readerCheck();
  return new LmdbBackend(database);
}

/** What the library takes for "only if there is no entry yet"; its types do not know. */
const ABSENT = null as unknown as number;

class LmdbBackend implements Backend {
  readonly keepsExpired = true;
  readonly #database: RootDatabase<string, string>;

  constructor(database: RootDatabase<string, string>) {
    this.#database = database;
  }

  async read(key: string): Promise<VersionedText | undefined> {
    // Otherwise what other processes wrote since the last turn of the event loop would stay unseen.
    this.#database.resetReadTxn();
    const entry = this.#database.getEntry(key);
    return entry === undefined ? undefined : { text: entry.value, mark: entry.version ?? 0 };
  }

  /** The comparison is made by the thread that writes, so the lock is never held while this process thinks. */
  swap(key: string, seen: VersionedText | undefined, text: string | undefined): Promise<boolean> {
    const database = this.#database;
    if (text !== undefined) return written(database.put(key, text, newMark(), seen?.mark ?? ABSENT));
    return seen === undefined ? Promise.resolve(true) : written(database.remove(key, seen.mark));
  }

  async *keys(prefix: string): AsyncGenerator<readonly string[]> {
    let after: string | undefined;
    for (;;) {
      this.#database.resetReadTxn();
      const range = { start: after ?? prefix, exclusiveStart: after !== undefined, limit: PIECE };
      const piece = [...this.#database.getKeys(range)].filter((key) => key.startsWith(prefix));
      if (piece.length > 0) yield piece;
      // What does not begin with the prefix lies behind all that does.
      if (piece.length < PIECE) return;
      after = piece.at(-1);
      await yieldTurn();
    }
  }

  async close(): Promise<void> {
    await this.#database.flushed;
    await this.#database.close();
  }
}

/** Never the same twice, also after an entry was deleted and made anew: it only has to differ. */
const newMark = (): number => Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) + 1;

/** The cause of a failed commit is a promise of its own; nobody else listens to it. */
async function written(promise: Promise<boolean>): Promise<boolean> {
  try {
    return await promise;
  } catch (error) {
    const { commitError } = error as { readonly commitError?: Promise<unknown> };
    if (commitError === undefined) throw error;
    throw await commitError.then(
      () => error,
      (cause: unknown) => cause,
    );
  }
}
