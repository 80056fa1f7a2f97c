/** A clock that stands still until a test moves it, and what waits for a time on it. */

import { Deadlines, type Expiring } from '../../bindings/timing/deadlines.ts';
import type { Clock } from '../../bindings/plugin/services.ts';

const DEFAULT_START = Date.UTC(2026, 0, 1);

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/**
 * `services.clock` of a test. Time limits of the server that are kept on it (the answer of a hook, a client that says nothing, a
 * connection that does not come about) are over when `advance` says so, however fast or slow the machine is.
 */
export class TestClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();
  readonly #listeners = new Set<() => void>();

  /** In milliseconds since the epoch; undefined: the first moment of 2026, UTC. */
  constructor(start: number | Date = DEFAULT_START) {
    this.#now = Number(start);
  }

  now(): number {
    return this.#now;
  }

  /** Lets time pass. What was to happen meanwhile happens now, in the order of its times, before this returns. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.set(end);
  }

  /** Sets the clock as an operator would, backwards too. Nothing in between happens. */
  set(now: number | Date): void {
    this.#now = Number(now);
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `run` once, when `ms` milliseconds have passed. The function returned cancels that. */
  after(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Calls `listener` whenever the time has changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (timer.at <= end && timer.at < (next?.at ?? Infinity)) next = timer;
    return next;
  }
}

/** Time limits that are over when a test clock says so. */
export class ClockDeadlines extends Deadlines {
  readonly #watched = new Set<Expiring>();

  constructor(clock: TestClock) {
    super();
    this.now = clock.now();
    clock.onChange(() => {
      this.now = clock.now();
      for (const expiring of [...this.#watched]) if (expiring.deadlineAt <= this.now) expiring.expire();
    });
  }

  override watch(expiring: Expiring): void {
    this.#watched.add(expiring);
  }

  override forget(expiring: Expiring): void {
    this.#watched.delete(expiring);
  }
}
