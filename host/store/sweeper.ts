/** Deletes expired records in the background, in one process at a time. */

import type { Clock } from '../../bindings/plugin/services.ts';
import { RecordStore } from './record-store.ts';
import type { StoreConnection } from './store-connection.ts';

export const SWEEP_MS = 600_000;
/** The part of the store in which processes agree on who sweeps. */
const DUTY = '_sweep';

export class Sweeper {
  readonly #connection: StoreConnection;
  readonly #clock: Clock;
  readonly #duty: RecordStore;
  /** Parts of the store this process has opened. */
  readonly #names = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: StoreConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#duty = new RecordStore(DUTY, connection, clock);
  }

  watch(name: string): void {
    this.#names.add(name);
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.sweep().catch(() => undefined), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Sweeps, unless another process did so not long ago; resolves with the number of records that were deleted. */
  async sweep(): Promise<number> {
    // Shorter than the interval, so that the same process may do it every time.
    const expiresInMs = SWEEP_MS / 2;
    const isOurs = await this.#duty.transact('duty', (holder) => ({
      value: holder === undefined ? String(process.pid) : undefined,
      expiresInMs,
      answer: holder === undefined,
    }));
    if (!isOurs) return 0;
    let removed = 0;
    for (const name of this.#names) {
      removed += await new RecordStore(name, this.#connection, this.#clock).sweep();
    }
    return removed;
  }
}
