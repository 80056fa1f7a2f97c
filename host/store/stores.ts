/**
 * All stores of this process. They outlive a reload: two generations of the configuration share one connection.
 *
 * `Sweeper` deletes expired records in the background, in one process at a time.
 */

import { realpathSync } from 'node:fs';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { Store, Stores } from '../../bindings/plugin/store.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { RecordStore } from './record-store.ts';
import { StoreConnection } from './store-connection.ts';
import { openStoreDirectory } from './store-directory.ts';
import { StoreError } from './backend.ts';
import { parseStoreLocation, printStoreLocation, type StoreLocation } from '../settings/store-settings.ts';

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

interface OpenStore {
  readonly connection: StoreConnection;
  readonly sweeper: Sweeper;
}

export class ProcessStores {
  readonly #clock: Clock;
  readonly #stores = new Map<string, OpenStore>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The stores under one reading of the configuration; `configured` is where they are unless a plugin says otherwise. In a
   * rehearsal none is ever opened.
   */
  under(configured: StoreLocation, rehearsal?: Rehearsal): Stores {
    return {
      open: (name, { at } = {}) => {
        const location = at === undefined ? configured : parseStoreLocation(at);
        if (rehearsal === undefined) return this.#open(name, location);
        if (location.kind === 'lmdb') openStoreDirectory(location.directory, rehearsal);
        return new RecordStore(name, new StoreConnection(location, { open: refuseToOpen }), this.#clock);
      },
    };
  }

  /** Waits for what is under way; nothing can be asked afterwards. */
  async close(): Promise<void> {
    const stores = [...this.#stores.values()];
    this.#stores.clear();
    for (const { sweeper } of stores) sweeper.stop();
    await Promise.all(stores.map(({ connection }) => connection.close()));
  }

  #open(name: string, location: StoreLocation): Store {
    const { connection, sweeper } = this.#connect(resolved(location));
    sweeper.watch(name);
    return new RecordStore(name, connection, this.#clock);
  }

  #connect(location: StoreLocation): OpenStore {
    const id = location.kind === 'redis' ? location.url : printStoreLocation(location);
    const known = this.#stores.get(id);
    if (known !== undefined) return known;
    const connection: StoreConnection = new StoreConnection(location, {
      opened: (backend) => {
        if (backend.keepsExpired) sweeper.start();
      },
    });
    const sweeper = new Sweeper(connection, this.#clock);
    const store = { connection, sweeper };
    this.#stores.set(id, store);
    return store;
  }
}

const refuseToOpen = (): Promise<never> =>
  Promise.reject(new StoreError('no store is opened while a configuration is only checked'));

/** One file must not be opened twice by the same process, by whatever name: LMDB's locks would be lost. */
function resolved(location: StoreLocation): StoreLocation {
  if (location.kind !== 'lmdb') return location;
  openStoreDirectory(location.directory);
  return { kind: 'lmdb', directory: realpathSync(location.directory) };
}
