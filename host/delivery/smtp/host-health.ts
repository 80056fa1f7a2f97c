/** Which hosts lately could not be reached: others are tried before them. */

const FIRST_AVOID_MS = 1_000;
const MOST_AVOID_MS = 300_000;
/** Hosts that are remembered; routes may bring ever new ones. */
const MOST_HOSTS = 1_000;

interface Trouble {
  readonly failures: number;
  readonly until: number;
}

export class HostHealth {
  readonly #troubles = new Map<string, Trouble>();
  readonly #now: () => number;

  /** `now` in milliseconds on a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  failed(host: string): void {
    const failures = (this.#troubles.get(host)?.failures ?? 0) + 1;
    this.#troubles.delete(host);
    const [oldest] = this.#troubles.keys();
    if (this.#troubles.size >= MOST_HOSTS && oldest !== undefined) this.#troubles.delete(oldest);
    const avoidMs = Math.min(MOST_AVOID_MS, FIRST_AVOID_MS * 2 ** Math.min(failures - 1, 20));
    this.#troubles.set(host, { failures, until: this.#now() + avoidMs });
  }

  worked(host: string): void {
    if (this.#troubles.size > 0) this.#troubles.delete(host);
  }

  isAvoided(host: string): boolean {
    const trouble = this.#troubles.get(host);
    return trouble !== undefined && trouble.until > this.#now();
  }
}
