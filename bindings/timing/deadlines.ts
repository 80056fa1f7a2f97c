/**
 * Time limits of all sessions with one timer. A session only writes down when its time is up; twice a second one pass
 * looks at them all. That is cheaper than a timer per command by far, and exact to half a second.
 */

import { DenseSet } from './dense-set.ts';

export interface Expiring {
  /** Milliseconds on the clock of `Deadlines.now`; `Infinity` while the client is not waited for. */
  deadlineAt: number;
  /** For `Deadlines` alone; begins as `NOWHERE`. No object is in two of them. */
  watchedAt: number;
  /** Called once the deadline has passed; sets a new deadline or ends the session. */
  expire(): void;
}

const PASS_EVERY_MS = 500;

export class Deadlines {
  /** Milliseconds since the process started, refreshed at each pass: read it instead of asking the system. */
  now = performance.now();
  readonly #watched = new DenseSet<'watchedAt', Expiring>('watchedAt');
  #timer: NodeJS.Timeout | undefined = undefined;

  watch(session: Expiring): void {
    this.#watched.add(session);
    if (this.#timer !== undefined) return;
    this.now = performance.now();
    this.#timer = setInterval(() => this.#pass(), PASS_EVERY_MS);
    this.#timer.unref();
  }

  forget(session: Expiring): void {
    this.#watched.delete(session);
    if (this.#watched.size > 0 || this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #pass(): void {
    this.now = performance.now();
    this.#watched.forEach((session) => {
      if (session.deadlineAt <= this.now) session.expire();
    });
  }
}
