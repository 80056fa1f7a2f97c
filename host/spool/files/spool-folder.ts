/** The folder of a spool: `tmp/` for what is being written, `new/` for messages, `damaged/`, `index/`. */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs';
import { opendir, rename, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DirectorySync } from '../../message/directory-sync.ts';
import { remedyForOwner } from '../../errors/error-classes.ts';
import type { Rehearsal } from '../../errors/rehearsal.ts';
import { troubleAt } from '../../errors/system-trouble.ts';
import { SpoolError } from './spool-error.ts';
import { isSpoolId } from './spool-id.ts';

/** Nothing is written for so long: what is older in tmp/ was left by a process that died. */
const STALE_MS = 3_600_000;
/** Names handed over in one go. */
const PIECE = 500;

export class SpoolFolder {
  readonly path: string;
  readonly syncs = new DirectorySync();

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes what is missing, and refuses a folder in which others may write: a local user could plant mail that goes out
   * in the daemon's name, or swap that of others. Throws a `SpoolError` with a remedy. With `rehearsal` nothing is made.
   */
  prepare(rehearsal?: Rehearsal): void {
    for (const path of [this.path, ...['tmp', 'new', 'damaged'].map((name) => join(this.path, name))]) {
      try {
        if (rehearsal === undefined) makeFolder(path);
        else rehearsal.mkdirs(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
          throw new SpoolError(
            `the spool ${path} can't be made: ${troubleAt(path, error).problem} (make it by hand, mode 0700)`,
          );
      }
      if (rehearsal?.wouldMake(path) !== true) checkFolder(path);
    }
  }

  get indexPath(): string {
    return join(this.path, 'index');
  }

  get target(): string {
    return join(this.path, 'new');
  }

  pathOf(id: string): string {
    return join(this.target, checked(id));
  }

  draftOf(id: string): string {
    return join(this.path, 'tmp', checked(id));
  }

  /** Ids of all stored messages, in no order, in pieces. */
  async *ids(): AsyncIterable<readonly string[]> {
    let piece: string[] = [];
    for await (const { name } of await opendir(this.target)) {
      if (!isSpoolId(name)) continue;
      piece.push(name);
      if (piece.length < PIECE) continue;
      yield piece;
      piece = [];
    }
    yield piece;
  }

  async has(id: string): Promise<boolean> {
    return stat(this.pathOf(id)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
  }

  /** Removes a message; one that is gone already is as good. */
  async discard(id: string): Promise<void> {
    await unlink(this.pathOf(id)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw new SpoolError(`can't remove ${this.pathOf(id)}`, error);
    });
  }

  /** Removes what a dead process has written of a message. */
  async discardDraft(id: string): Promise<void> {
    await unlink(this.draftOf(id)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw new SpoolError(`can't remove ${this.draftOf(id)}`, error);
    });
  }

  /** Takes a damaged message out of the way of all readers; returns where it is kept. */
  async setAside(id: string): Promise<string> {
    const path = join(this.path, 'damaged', checked(id));
    await rename(this.pathOf(id), path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      // The folder for damaged files was removed.
      this.prepare();
      await rename(this.pathOf(id), path);
    });
    return path;
  }

  /** Octets the file system has left for this user. */
  async freeOctets(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Removes drafts of dead processes: no client was ever told that such a message was accepted. */
  async sweepDrafts(nowMs: number): Promise<void> {
    for await (const { name } of await opendir(join(this.path, 'tmp'))) {
      if (!isSpoolId(name)) continue;
      const path = this.draftOf(name);
      const facts = await stat(path).catch(() => undefined);
      if (facts !== undefined && facts.mtimeMs < nowMs - STALE_MS) await unlink(path).catch(() => undefined);
    }
  }
}

/**
 * Nothing is changed about a folder that is there: a slip of the pen must not take `/tmp` from everybody else. The names
 * of new ones are synced, because mail must not go with its folder in a crash.
 */
function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // mkdir leaves out the bits of the umask.
  chmodSync(path, 0o700);
  let at = path;
  for (syncFolder(dirname(at)); at !== first && at !== '/'; syncFolder(dirname(at))) at = dirname(at);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    closeSync(folder);
  }
}

/** Last check before a name becomes a path, for every caller. */
function checked(id: string): string {
  if (!isSpoolId(id)) throw new SpoolError(`${JSON.stringify(id)} is no id of a stored message`);
  return id;
}

function checkFolder(path: string): void {
  const refuse = (problem: string, remedy: string): never => {
    throw new SpoolError(`the spool ${path} ${problem} (${remedy})`);
  };
  const user = process.geteuid!();
  const facts = lstatSync(path);
  if (facts.isSymbolicLink()) refuse('is a symbolic link', 'name the directory itself');
  if (!facts.isDirectory()) refuse('is no directory', 'name another, or remove the file');
  if ((facts.mode & 0o022) !== 0) refuse('can be written by others', 'chmod 0700 it');
  if (facts.uid !== user)
    refuse(`belongs to user ${facts.uid}, not to ${user}`, remedyForOwner(facts.uid, user));
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch {
    refuse(`can't be written by user ${user}`, 'chmod 0700 it');
  }
}
