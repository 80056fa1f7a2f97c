/** Something the spool can't do without: it is tried again by itself, later each time, until it succeeds. */

import type { Log } from '../../bindings/plugin/log-level.ts';

const FIRST_PAUSE_MS = 1_000;
/** An operator who has made room, or mended a folder, does not wait for longer. */
const MAX_PAUSE_MS = 60_000;

export interface PersistentTaskOptions<T> {
  readonly work: () => Promise<T>;
  /** False: after a failure nothing happens until the next call. */
  readonly isWanted: () => boolean;
  /** What is wrong, before the error, and what is right again. Logged when it changes, not for every try. */
  readonly failed: string;
  readonly mended: string;
  readonly log: () => Pick<Log, 'error' | 'notice'>;
}

export class PersistentTask<T> {
  readonly #options: PersistentTaskOptions<T>;
  #running: Promise<T> | undefined;
  #again: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #complaint = '';

  constructor(options: PersistentTaskOptions<T>) {
    this.#options = options;
  }

  /** Done once, for all callers; a call after a failure tries at once. Rejects if this try fails. */
  run(): Promise<T> {
    this.#running ??= this.#options.work().then(
      (result) => this.#succeed(result),
      (error: unknown) => this.#fail(error),
    );
    return this.#running;
  }

  /** What has come of it so far: waits for a try under way and begins none. Never rejects. */
  result(): Promise<T | undefined> {
    return this.#running?.catch(() => undefined) ?? Promise.resolve(undefined);
  }

  /** Nothing is tried again by itself any more. */
  stop(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  #succeed(result: T): T {
    this.stop();
    this.#pauseMs = FIRST_PAUSE_MS;
    const { log, mended } = this.#options;
    if (this.#complaint !== '') log().notice(mended);
    this.#complaint = '';
    return result;
  }

  #fail(error: unknown): never {
    this.#running = undefined;
    const { log, failed, isWanted } = this.#options;
    const complaint = `${failed}: ${String(error)}`;
    if (complaint !== this.#complaint) log().error(complaint);
    this.#complaint = complaint;
    if (this.#again === undefined && isWanted()) this.#tryLater();
    throw error;
  }

  #tryLater(): void {
    this.#again = setTimeout(() => {
      this.#again = undefined;
      if (this.#options.isWanted()) this.run().catch(() => undefined);
    }, this.#pauseMs).unref();
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }
}
