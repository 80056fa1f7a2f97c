import { open } from 'node:fs/promises';

/** An open directory whose entries can be made durable. */
export interface SyncableDirectory {
  sync(): Promise<void>;
  close(): Promise<void>;
}

type OpenDirectory = (path: string) => Promise<SyncableDirectory>;

/** The sync of one directory: the one at work, and the next one, for callers that came too late for it. */
interface Turn {
  gathering: Promise<void> | undefined;
  working: Promise<void> | undefined;
}

/**
 * Makes directory entries durable for many callers at once (group commit): fsync costs the same for one new name as
 * for a thousand. A caller is served by a sync that begins after the call, never by one already under way, because
 * that one may have passed the caller's entry. Per directory one sync is at work and one gathers callers.
 */
export class DirectorySync {
  readonly #open: OpenDirectory;
  readonly #turns = new Map<string, Turn>();

  constructor(openDirectory: OpenDirectory = (path) => open(path, 'r')) {
    this.#open = openDirectory;
  }

  /** Resolves when every entry made in `directory` before the call is on disk; rejects if that can't be known. */
  sync(directory: string): Promise<void> {
    let turn = this.#turns.get(directory);
    if (turn === undefined) this.#turns.set(directory, (turn = { gathering: undefined, working: undefined }));
    turn.gathering ??= this.#take(directory, turn);
    return turn.gathering;
  }

  async #take(directory: string, turn: Turn): Promise<void> {
    // The failure of the sync before is told to its own callers; here it only means that it is over.
    await turn.working?.catch(() => undefined);
    try {
      await this.#syncOnce(directory, () => {
        turn.working = turn.gathering;
        turn.gathering = undefined;
      });
    } finally {
      if (turn.gathering === undefined) this.#turns.delete(directory);
    }
  }

  /** Calls `onBegin` at the last moment at which callers are still covered, also if there will be no sync. */
  async #syncOnce(directory: string, onBegin: () => void): Promise<void> {
    let handle: SyncableDirectory;
    try {
      handle = await this.#open(directory);
    } finally {
      onBegin();
    }
    try {
      await handle.sync();
    } catch (error) {
      if (!hasNoDirectorySync(error)) throw error;
    } finally {
      // A directory opened for reading has nothing to lose when it is closed.
      await handle.close().catch(() => undefined);
    }
  }
}

/** Some network file systems write entries through and answer fsync of a directory with EINVAL. */
const hasNoDirectorySync = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EINVAL';
