/** Notices that something changed under files that were read. */

import type { Stats } from 'node:fs';
import { basename, join } from 'node:path';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { errorCode, type FileSystem, type Watch } from './file-system.ts';
import type { PathObserver } from './path-steps.ts';

/** From the first sign of a change to reading again: an editor that empties a file and then fills it gets this long. */
export const SETTLE_MS = 50;
/** How often files are looked at where the system can't report changes. */
export const POLL_EVERY_MS = 2_000;

interface WatchedDirectory {
  /** Undefined if the system refused. */
  watch: Watch | undefined;
  refusal: unknown;
  /** Only these matter: other changes in the directory must not cost a reading of the configuration. */
  readonly names: Set<string>;
  everyName: boolean;
}

/**
 * Watches the directories that paths lead through, each by itself and never what is below. After a change was
 * reported everything is forgotten, so the next reading says anew what to watch. Nothing here keeps the process alive.
 */
export class ChangeWatch implements PathObserver {
  readonly #files: FileSystem;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #directories = new Map<string, WatchedDirectory>();
  readonly #seen = new Map<string, string>();
  #poller: NodeJS.Timeout | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #dueAt = Infinity;
  #isClosed = false;
  #saidItPolls = false;

  constructor(files: FileSystem, log: Log, changed: () => void) {
    this.#files = files;
    this.#log = log;
    this.#changed = changed;
  }

  enter(directory: string, name: string): void {
    if (!this.#isClosed) this.#watched(directory).names.add(name);
  }

  met(directory: string, name: string, facts: Stats | undefined, decides: boolean): void {
    if (this.#isClosed) return;
    this.#remember(join(directory, name), signatureOf(facts));
    const watched = this.#watched(directory);
    if (decides && watched.watch === undefined) this.#startPolling(directory, watched.refusal);
  }

  listing(directory: string): void {
    if (this.#isClosed) return;
    const watched = this.#watched(directory);
    watched.everyName = true;
    this.#remember(join(directory, '/'), this.#look(join(directory, '/')));
    if (watched.watch === undefined) this.#startPolling(directory, watched.refusal);
  }

  /** Reports a change after `ms` at the latest, as if one had been seen. */
  changeIn(ms: number): void {
    const dueAt = performance.now() + ms;
    if (this.#isClosed || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#changed(), ms);
    this.#timer.unref();
  }

  /** Stops watching until paths are followed again. */
  reset(): void {
    for (const { watch } of this.#directories.values()) watch?.close();
    this.#directories.clear();
    this.#seen.clear();
    clearInterval(this.#poller);
    this.#poller = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  close(): void {
    this.reset();
    this.#isClosed = true;
  }

  /** What was read first counts: if the entry looks different by now, values of two states are being kept. */
  #remember(path: string, signature: string): void {
    const known = this.#seen.get(path);
    if (known === undefined) this.#seen.set(path, signature);
    else if (known !== signature) this.changeIn(SETTLE_MS);
  }

  #watched(directory: string): WatchedDirectory {
    const known = this.#directories.get(directory);
    if (known !== undefined) return known;
    const watched: WatchedDirectory = {
      watch: undefined,
      refusal: undefined,
      names: new Set(),
      everyName: false,
    };
    this.#directories.set(directory, watched);
    // The system reports the directory's own end under its own name.
    const own = basename(directory);
    const changed = (name: string | null): void => {
      const matters = name === null || watched.everyName || watched.names.has(name) || name === own;
      if (matters) this.changeIn(SETTLE_MS);
    };
    const failed = (error: unknown): void => {
      watched.watch?.close();
      watched.watch = undefined;
      if (this.#directories.get(directory) === watched) this.#startPolling(directory, error);
    };
    try {
      watched.watch = this.#files.watch(directory, changed, failed);
    } catch (error) {
      watched.refusal = error;
    }
    return watched;
  }

  #startPolling(directory: string, error: unknown): void {
    if (this.#poller !== undefined) return;
    if (!this.#saidItPolls) {
      this.#log.warn(
        `${directory}: the system can't report changes of the configuration (${errorCode(error) || String(error)}); ` +
          `its files are looked at every ${POLL_EVERY_MS / 1_000} seconds instead`,
      );
    }
    this.#saidItPolls = true;
    this.#poller = setInterval(() => this.#poll(), POLL_EVERY_MS);
    this.#poller.unref();
  }

  #poll(): void {
    for (const [path, signature] of this.#seen) {
      if (this.#look(path) === signature) continue;
      this.#changed();
      return;
    }
  }

  #look(path: string): string {
    try {
      return signatureOf(this.#files.lstat(path), path.endsWith('/'));
    } catch {
      return signatureOf(undefined);
    }
  }
}

/** What differs once the entry changed. A directory counts as changed by its entries only if they were listed. */
function signatureOf(facts: Stats | undefined, isListed = false): string {
  if (facts === undefined) return 'missing';
  const identity = `${facts.dev}:${facts.ino}:${facts.mode}`;
  if (facts.isDirectory() && !isListed) return identity;
  return `${identity}:${facts.size}:${facts.mtimeMs}:${facts.ctimeMs}`;
}
