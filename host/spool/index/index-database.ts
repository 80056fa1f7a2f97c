/**
 * The LMDB file of the index: opened once in a process, shared by all processes that use the spool.
 *
 * Pieces of work in line to be committed, several at a time.
 */

import { statfsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { yieldTurn } from '../../../bindings/timing/turn.ts';
import { checkStoreFile, openStoreDirectory, STORE_FILE } from '../../store/store-directory.ts';
import { IndexChanges, type CommittedRecords } from './index-changes.ts';
import { SpoolError } from '../files/spool-error.ts';

/** Pieces of work that are committed together: one flush of the disk for all that came in meanwhile. */
const MAX_TOGETHER = 200;
/** Each failed try means that another process got through, so this is reached only by a fault. */
const MAX_TRIES = 1_000;

interface Work {
  readonly run: (records: IndexRecords) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a line needs of the database. */
export interface CommitParts {
  /** What is committed by now. */
  readonly look: () => CommittedRecords;
  /** False if what the changes are made from is no longer so. Durable when it resolves. */
  readonly commit: (changes: IndexChanges) => Promise<boolean>;
}

export class CommitQueue {
  readonly #parts: CommitParts;
  readonly #waiting: Work[] = [];
  #committing: Promise<void> | undefined;

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  write<T>(work: (records: IndexRecords) => T): Promise<T> {
    const done = new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: work, resolve: resolve as Work['resolve'], reject });
    });
    this.#committing ??= this.#commitWaiting();
    return done;
  }

  /** Resolves when nothing waits any more. Never rejects. */
  async idle(): Promise<void> {
    await this.#committing;
  }

  async #commitWaiting(): Promise<void> {
    for (let tries = 1; this.#waiting.length > 0; tries++) {
      // What those ask for next who got their answer just now goes together with what waits already.
      await yieldTurn();
      const batch = this.#waiting.slice(0, MAX_TOGETHER);
      try {
        const results = await this.#commit(batch);
        if (results === undefined && tries < MAX_TRIES) continue;
        if (results === undefined) throw new Error('other processes kept changing it');
        batch.forEach(({ resolve }, at) => resolve(results[at]));
      } catch (error) {
        const problem = new SpoolError('the index of the spool can not be written', error);
        for (const { reject } of batch) reject(problem);
      }
      this.#waiting.splice(0, batch.length);
      tries = 0;
    }
    // In the same turn as the look at what waits: work that comes a moment later begins anew.
    this.#committing = undefined;
  }

  async #commit(batch: readonly Work[]): Promise<unknown[] | undefined> {
    const changes = new IndexChanges(this.#parts.look());
    const results = batch.map(({ run }) => run(changes));
    return changes.isEmpty || (await this.#parts.commit(changes)) ? results : undefined;
  }
}

/** What is read and written by one piece of work, which sees what it has changed itself. */
export interface IndexRecords {
  get(key: string): string | undefined;
  put(key: string, value: string): void;
  remove(key: string): void;
  /** Keys from `start` on that begin with `prefix`, in order, at most `limit`. */
  keys(prefix: string, limit: number, start?: string): string[];
}

export type ReadRecords = Pick<IndexRecords, 'get' | 'keys'>;

/** The one mark that never changes. */
const ALWAYS = 'always';
const ALWAYS_VERSION = 1;
/** The mark that changes with every commit. */
const ANY = 'any';
/** Each lies inside another, on the stack as well. */
const MAX_CONDITIONS = 300;
/** What the library takes for "only if there is no entry yet"; its types do not know. */
const ABSENT = null as unknown as number;
/** Of changes, before the library lets its thread begin with those that are there: more than there ever are. */
const NEVER_EARLY = 2 ** 52;

/** Octets that must be free before a commit. One that finds the disk full can corrupt the heap of the library, which aborts. */
const MIN_FREE = 1_048_576;

interface Condition {
  readonly store: Database<string, string>;
  readonly key: string;
  readonly version: number;
}

/**
 * Work is done on what was committed last. What it wants to change goes to the thread that writes, on the condition that
 * nobody has changed meanwhile what it has read; otherwise it is done again. So the lock that all processes share is never
 * held while one of them waits for its event loop: a process that is wedged would stop the spool of all.
 */
export class IndexDatabase {
  readonly #directory: string;
  readonly #database: RootDatabase<string, string>;
  readonly #marks: Database<string, string>;
  readonly #committed: CommittedRecords;
  /** Claims have to be made again more often than all else, and nothing else is to wait for that. */
  readonly #lines: Readonly<Record<'claims' | 'others', CommitQueue>>;
  #isClosed = false;

  private constructor(
    directory: string,
    database: RootDatabase<string, string>,
    marks: Database<string, string>,
  ) {
    this.#directory = directory;
    this.#database = database;
    this.#marks = marks;
    this.#committed = {
      get: (key) => database.get(key),
      keysFrom: (start) => database.getKeys({ start }),
    };
    const parts = { look: () => this.#look(), commit: (changes: IndexChanges) => this.#commit(changes) };
    this.#lines = { claims: new CommitQueue(parts), others: new CommitQueue(parts) };
  }

  /** Opens the index in `directory`, making it if it is missing. What is no LMDB file is refused with a remedy. */
  static async open(directory: string): Promise<IndexDatabase> {
    let database: RootDatabase<string, string> | undefined;
    try {
      openStoreDirectory(directory);
      await checkStoreFile(directory);
      const { open } = await import('lmdb');
      const path = join(directory, STORE_FILE);
      const options = {
        path,
        encoding: 'string',
        // With batches of its own making, the library rejects promises nobody can listen to when the disk is full.
        eventTurnBatching: false,
        // A commit that is not yet on the disk is rolled back by the next process that opens the file after a kill.
        overlappingSync: false,
        // Else the thread that writes takes the lock while the last changes of a batch are still being listed.
        batchStartThreshold: NEVER_EARLY,
      } as const;
      database = open<string, string>(options);
      await chmod(path, 0o600);
      // Processes that were killed leave their places in the table of readers taken.
      database.readerCheck();
      const marks = database.openDB<string, string>({ name: 'marks', encoding: 'string', useVersions: true });
      if (marks.get(ALWAYS) === undefined) await marks.put(ALWAYS, '', ALWAYS_VERSION);
      return new IndexDatabase(directory, database, marks);
    } catch (error) {
      // It is opened again and again until it works: each time would leave a file open.
      await database?.close().catch(() => undefined);
      throw new SpoolError('the index of the spool can not be opened', error);
    }
  }

  /** Reads what all processes have committed so far. */
  read<T>(work: (records: ReadRecords) => T): T {
    this.#refuseClosed();
    return work(new IndexChanges(this.#look()));
  }

  /**
   * Runs `work` as if no other process wrote meanwhile; durable when it resolves. It must not throw, and has no effects but
   * on the records, because it runs again if another process was faster. Short pieces only.
   */
  write<T>(work: (records: IndexRecords) => T, line: 'claims' | 'others' = 'others'): Promise<T> {
    this.#refuseClosed();
    return this.#lines[line].write(work);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.#lines.claims.idle(), this.#lines.others.idle()]);
    // A write that failed has been told to those who asked for it.
    await Promise.resolve(this.#database.flushed).catch(() => undefined);
    await this.#database.close();
  }

  #look(): CommittedRecords {
    this.#database.resetReadTxn();
    return this.#committed;
  }

  /** Compared and changed by the thread that writes, in one transaction; durable when it resolves. */
  async #commit(changes: IndexChanges): Promise<boolean> {
    this.#refuseFullDisk();
    const conditions = this.#conditionsOf(changes);
    try {
      return await underAll(conditions, 0, () => {
        void this.#marks.put(ANY, '', newVersion());
        for (const mark of changes.changedMarks) void this.#marks.put(mark, '', newVersion());
        for (const [key, value] of changes.entries()) {
          void (value === undefined ? this.#database.remove(key) : this.#database.put(key, value));
        }
      });
    } catch (error) {
      throw await causeOf(error);
    }
  }

  #conditionsOf({ missing, readMarks }: IndexChanges): readonly Condition[] {
    // Work that has read very much counts only if nobody has changed anything.
    const isMuch = missing.size + readMarks.size > MAX_CONDITIONS;
    // What has to be missing comes first: further in, the library takes it for met even if what is around it is not.
    const absent: Condition[] = [];
    const marked: Condition[] = [];
    if (!isMuch) for (const key of missing) absent.push({ store: this.#database, key, version: ABSENT });
    for (const key of isMuch ? [ANY] : readMarks) {
      const version = this.#marks.getEntry(key)?.version;
      if (version === undefined) absent.push({ store: this.#marks, key, version: ABSENT });
      else marked.push({ store: this.#marks, key, version });
    }
    return [...absent, ...marked, { store: this.#marks, key: ALWAYS, version: ALWAYS_VERSION }];
  }

  #refuseFullDisk(): void {
    const { bavail, bsize } = statfsSync(this.#directory);
    if (bavail * bsize < MIN_FREE) throw new Error(`ENOSPC: less than 1 MiB is free in ${this.#directory}`);
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new SpoolError('the spool is closed');
  }
}

/** Each condition lies inside the one before. The innermost is told whether all are met, and is one about a version. */
function underAll(conditions: readonly Condition[], at: number, work: () => void): Promise<boolean> {
  const { store, key, version } = conditions[at]!;
  let inner: Promise<boolean> | undefined;
  const isMet = store.ifVersion(key, version, () => {
    if (at + 1 < conditions.length) inner = underAll(conditions, at + 1, work);
    else work();
  });
  if (inner === undefined) return isMet;
  // A commit that fails is told to each condition.
  isMet.catch(() => undefined);
  return inner;
}

/** Never the same twice: it only has to differ. */
const newVersion = (): number => Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) + 1;

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
