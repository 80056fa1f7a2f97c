/** How long to wait before a worker that died is replaced. */

export interface BackOffTimes {
  readonly firstMs: number;
  readonly longestMs: number;
  /** A worker that lived so long was sound: the next wait is the first one again. */
  readonly soundAfterMs: number;
}

export const WORKER_BACK_OFF: BackOffTimes = { firstMs: 250, longestMs: 30_000, soundAfterMs: 60_000 };

/** Doubles the wait from death to death, so that a worker that cannot live does not take the processor. */
export class BackOff {
  readonly #times: BackOffTimes;
  #nextMs: number;

  constructor(times: BackOffTimes = WORKER_BACK_OFF) {
    this.#times = times;
    this.#nextMs = times.firstMs;
  }

  /** The wait after a worker that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= this.#times.soundAfterMs) this.reset();
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(waitMs * 2, this.#times.longestMs);
    return waitMs;
  }

  reset(): void {
    this.#nextMs = this.#times.firstMs;
  }
}
