/** Pieces of work in line to be committed, several at a time. */

import { IndexChanges, type CommittedRecords } from './index-changes.ts';
import type { IndexRecords } from './index-database.ts';
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
      await new Promise((resolve) => setImmediate(resolve));
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
