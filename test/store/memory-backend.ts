/** A back end in memory, for tests that are about something else than where records are kept. */

import type { Stores } from '../../bindings/plugin/store.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { Backend, VersionedText } from '../../host/store/backend.ts';
import { RecordStore } from '../../host/store/record-store.ts';
import { StoreConnection } from '../../host/store/store-connection.ts';

export class MemoryBackend implements Backend {
  readonly keepsExpired = true;
  readonly records = new Map<string, VersionedText>();
  #mark = 0;

  read(key: string): Promise<VersionedText | undefined> {
    return Promise.resolve(this.records.get(key));
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

/** Stores over one back end, wherever a plugin wants them to be; `places` collects what was asked for. */
export function memoryStores(
  clock: Clock,
  backend: Backend = new MemoryBackend(),
): Stores & { places: unknown[] } {
  const connection = new StoreConnection(
    { kind: 'lmdb', directory: '/memory' },
    { open: async () => backend },
  );
  const places: unknown[] = [];
  return {
    places,
    open(name, { at } = {}) {
      places.push(at);
      return new RecordStore(name, connection, clock);
    },
  };
}

/** A store that is down. */
export const brokenStores = (clock: Clock): Stores =>
  memoryStores(clock, {
    ...new MemoryBackend(),
    read: () => Promise.reject(new Error('no space left on device')),
  } as unknown as Backend);
