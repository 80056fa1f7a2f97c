/**
 * Lets clients in one by one: at most so many at a time. One that comes when all places are taken waits without a banner, as
 * in the kernel's backlog; who finds the waiting line full is told to come back.
 */

import type { IncomingConnection } from './incoming-connection.ts';

export interface TurnstileOptions {
  /** Clients inside at a time; `Infinity` for no limit. */
  readonly places: number;
  /** Clients waiting outside. */
  readonly waitingPlaces: number;
  enter(intake: IncomingConnection): void;
  /** All places are taken, or one is free and nobody waits for it. */
  setFull?(isFull: boolean): void;
  /** The line is full. */
  turnAway(intake: IncomingConnection): void;
}

export class ConnectionLimiter {
  readonly #options: TurnstileOptions;
  readonly #waiting = new Set<IncomingConnection>();
  #inside = 0;

  constructor(options: TurnstileOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  admit(intake: IncomingConnection): void {
    if (this.#inside < this.#options.places) this.#enter(intake);
    else if (this.#waiting.size < this.#options.waitingPlaces) this.#queue(intake);
    else this.#options.turnAway(intake);
  }

  /** Somebody left: the first in the line takes the place. */
  leave(): void {
    this.#inside--;
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#options.setFull?.(false);
      return;
    }
    this.#waiting.delete(next);
    this.#enter(next);
  }

  /** Empties the line; nobody in it will be served. */
  dismiss(): void {
    for (const intake of this.#waiting) this.#options.turnAway(intake);
    this.#waiting.clear();
  }

  #enter(intake: IncomingConnection): void {
    this.#inside++;
    if (this.#inside >= this.#options.places) this.#options.setFull?.(true);
    this.#options.enter(intake);
  }

  #queue(intake: IncomingConnection): void {
    this.#waiting.add(intake);
    intake.stream.once('close', () => this.#waiting.delete(intake));
  }
}
