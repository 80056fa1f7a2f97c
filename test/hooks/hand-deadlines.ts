import { Deadlines, type Expiring } from '../../bindings/timing/deadlines.ts';

/** Deadlines whose clock stands still until a test lets everything expire. */
export class HandDeadlines extends Deadlines {
  readonly #watched = new Set<Expiring>();
  #waiting: (() => void)[] = [];

  override watch(expiring: Expiring): void {
    this.#watched.add(expiring);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  override forget(expiring: Expiring): void {
    this.#watched.delete(expiring);
  }

  get count(): number {
    return this.#watched.size;
  }

  /** Everything that waits, or the next thing that does, has used up its time. */
  async pass(): Promise<void> {
    if (this.#watched.size === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await Promise.resolve();
    for (const expiring of [...this.#watched]) expiring.expire();
  }
}
