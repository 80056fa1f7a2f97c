/** Stores in memory: `services.store` of a test. */

import type { Store, Stores } from '../../bindings/plugin/store.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { Backend, VersionedText } from '../store/backend.ts';
import { RecordStore } from '../store/record-store.ts';
import { StoreConnection } from '../store/store-connection.ts';

export class MemoryBackend implements Backend {
  readonly keepsExpired = true;
  readonly records = new Map<string, VersionedText>();
  /** While it is set, nothing can be read. */
  fault: Error | undefined = undefined;
  #mark = 0;

  read(key: string): Promise<VersionedText | undefined> {
    return this.fault === undefined ? Promise.resolve(this.records.get(key)) : Promise.reject(this.fault);
  }

  swap(key: string, seen: VersionedText | undefined, text: string | undefined): Promise<boolean> {
    if (this.records.get(key)?.mark !== seen?.mark) return Promise.resolve(false);
    if (text === undefined) this.records.delete(key);
    else this.records.set(key, { text, mark: ++this.#mark });
    return Promise.resolve(true);
  }

  async *keys(prefix: string): AsyncGenerator<readonly string[]> {
    yield [...this.records.keys()].filter((key) => key.startsWith(prefix));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One store, wherever plugins want theirs to be. What has expired by the clock is gone. */
export class MemoryStores implements Stores {
  /** What plugins have said of the place of their store, in the order they opened it; undefined: nothing. */
  readonly places: (string | undefined)[] = [];
  readonly #backend = new MemoryBackend();
  readonly #connection: StoreConnection;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#connection = new StoreConnection(
      { kind: 'lmdb', directory: '/memory' },
      { open: () => Promise.resolve(this.#backend), restMs: 0 },
    );
  }

  open(name: string, { at }: { readonly at?: string | undefined } = {}): Store {
    this.places.push(at);
    return new RecordStore(name, this.#connection, this.#clock);
  }

  /** From now on every question is rejected, as by a store that is down; `mend` ends that. */
  fail(error: Error = new Error('no space left on device')): void {
    this.#backend.fault = error;
  }

  mend(): void {
    this.#backend.fault = undefined;
  }
}
