/** A limited number of permits, and the line of those who wait for one. */

export interface SemaphoreOptions {
  readonly permits: number;
  /** How many may wait; no limit unless given. */
  readonly maxWaiting?: number;
  /** What all who have a permit may weigh together (octets, say); no limit unless given. */
  readonly maxWeight?: number;
}

/** Too many wait already. */
export class SemaphoreFullError extends Error {
  readonly code = 'Q_FULL';

  constructor() {
    super('too many wait already');
    this.name = 'SemaphoreFullError';
  }
}

interface Waiting {
  readonly weight: number;
  readonly enter: () => void;
}

/** Permits are given in the order of asking. */
export class Semaphore {
  readonly #options: SemaphoreOptions;
  /** In order; a `Set`, so that leaving the line costs the same wherever one stands. */
  readonly #line = new Set<Waiting>();
  #taken = 0;
  #weight = 0;

  constructor(options: SemaphoreOptions) {
    this.#options = options;
  }

  /**
   * Resolves with what gives the permit back, to be called once. Rejects with a `SemaphoreFullError`, or with the reason of
   * `signal` once that is aborted. What weighs more than all may weigh together gets in when it is alone.
   */
  take(signal?: AbortSignal, weight = 0): Promise<() => void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.#line.size === 0 && this.#hasRoom(weight)) return Promise.resolve(this.#admit(weight));
    if (this.#line.size >= (this.#options.maxWaiting ?? Infinity))
      return Promise.reject(new SemaphoreFullError());
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        weight,
        enter: () => {
          signal?.removeEventListener('abort', leave);
          resolve(this.#admit(weight));
        },
      };
      const leave = (): void => {
        this.#line.delete(waiting);
        reject(signal!.reason as Error);
        this.#admitNext();
      };
      this.#line.add(waiting);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Does `work` with a permit. Rejects as `take` does, or as `work` does. */
  async use<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const giveBack = await this.take(signal);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  #hasRoom(weight: number): boolean {
    const { permits, maxWeight = Infinity } = this.#options;
    return this.#taken < permits && (this.#taken === 0 || this.#weight + weight <= maxWeight);
  }

  #admit(weight: number): () => void {
    this.#taken++;
    this.#weight += weight;
    return () => {
      this.#taken--;
      this.#weight -= weight;
      this.#admitNext();
    };
  }

  #admitNext(): void {
    for (const next of this.#line) {
      if (!this.#hasRoom(next.weight)) return;
      this.#line.delete(next);
      next.enter();
    }
  }
}
