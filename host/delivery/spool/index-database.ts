/** The LMDB file of the index: opened once in a process, shared by all processes that use the spool. */

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { checkStoreFile } from '../../store/lmdb-file.ts';
import { openStoreDirectory, STORE_FILE } from '../../store/store-directory.ts';
import { SpoolError } from './spool-error.ts';

/** What is read and written inside one transaction, or outside of any, where each call sees the latest commit. */
export interface IndexRecords {
  get(key: string): string | undefined;
  put(key: string, value: string): void;
  remove(key: string): void;
  /** Keys from `start` on that begin with `prefix`, in order, at most `limit`. */
  keys(prefix: string, limit: number, start?: string): string[];
}

export class IndexDatabase {
  readonly #database: RootDatabase<string, string>;
  readonly #records: IndexRecords;
  #isClosed = false;

  private constructor(database: RootDatabase<string, string>) {
    this.#database = database;
    this.#records = {
      get: (key) => database.get(key),
      put: (key, value) => void database.put(key, value),
      remove: (key) => void database.remove(key),
      keys: (prefix, limit, start = prefix) => keysOf(database, prefix, limit, start),
    };
  }

  /** Opens the index in `directory`, making it if it is missing. What is no LMDB file is refused with a remedy. */
  static async open(directory: string): Promise<IndexDatabase> {
    let database: RootDatabase<string, string> | undefined;
    try {
      openStoreDirectory(directory);
      await checkStoreFile(directory);
      const { open } = await import('lmdb');
      const path = join(directory, STORE_FILE);
      database = open<string, string>({
        path,
        encoding: 'string',
        // With batches of its own making, the library rejects promises nobody can listen to when the disk is full.
        eventTurnBatching: false,
        // A commit that is not yet on the disk is rolled back by whoever opens the file after a kill.
        overlappingSync: false,
      });
      await chmod(path, 0o600);
      // Processes that were killed leave their places in the table of readers taken.
      database.readerCheck();
      return new IndexDatabase(database);
    } catch (error) {
      // It is opened again and again until it works: each time would leave a file open.
      await database?.close().catch(() => undefined);
      throw new SpoolError('the index of the spool can not be opened', error);
    }
  }

  /** Reads what all processes have committed so far. */
  read<T>(work: (records: IndexRecords) => T): T {
    this.#refuseClosed();
    this.#database.resetReadTxn();
    return work(this.#records);
  }

  /**
   * Runs `work`, which must not throw, while no other process writes; durable when it resolves. Short pieces only: all
   * processes wait for it.
   */
  async write<T>(work: (records: IndexRecords) => T): Promise<T> {
    this.#refuseClosed();
    try {
      return await this.#database.transaction(() => work(this.#records));
    } catch (error) {
      throw new SpoolError('the index of the spool can not be written', await causeOf(error));
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#database.flushed;
    await this.#database.close();
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new SpoolError('the spool is closed');
  }
}

function keysOf(
  database: RootDatabase<string, string>,
  prefix: string,
  limit: number,
  start: string,
): string[] {
  const found: string[] = [];
  for (const key of database.getKeys({ start, limit })) {
    if (!key.startsWith(prefix)) break;
    found.push(key);
  }
  return found;
}

/** The cause of a failed commit is a promise of its own; nobody else listens to it. */
function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<unknown> };
  return commitError === undefined
    ? Promise.resolve(error)
    : commitError.then(
        () => error,
        (cause: unknown) => cause,
      );
}
