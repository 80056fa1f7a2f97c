/** A bounded number of places, and a bounded line of those who wait for one. */

export interface PlaceLimits {
  readonly places: number;
  readonly waiting: number;
}

export class Places {
  readonly #limits: PlaceLimits;
  readonly #line = new Set<() => void>();
  #taken = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /**
   * Resolves with a function that gives the place back (to be called once), with `full` if too many wait already, or
   * with `given up` once `signal` is aborted. Never rejects.
   */
  take(signal: AbortSignal): Promise<(() => void) | 'full' | 'given up'> {
    if (signal.aborted) return Promise.resolve('given up');
    if (this.#taken < this.#limits.places) {
      this.#taken++;
      return Promise.resolve(this.#release);
    }
    if (this.#line.size >= this.#limits.waiting) return Promise.resolve('full');
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#line.delete(enter);
        resolve('given up');
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve(this.#release);
      };
      this.#line.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** The place goes to whoever waits longest. */
  readonly #release = (): void => {
    const [next] = this.#line;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#line.delete(next);
    next();
  };
}
