/** The directory of the embedded store: made if it is missing, refused if somebody else could write there. */

import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { remedyForOwner } from '../errors/error-classes.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { troubleAt } from '../errors/system-trouble.ts';
import { StoreError } from './store-error.ts';

export const STORE_FILE = 'store.mdb';

/**
 * Throws a `StoreError` with a remedy. By default the directory lies where anyone may write: a symbolic link, or a
 * directory of another user there, would let him read and replace what is known about senders, or crash the daemon
 * with a damaged file. With `rehearsal` nothing is made.
 */
export function openStoreDirectory(path: string, rehearsal?: Rehearsal): void {
  const refuse = (problem: string, remedy: string): never => {
    throw new StoreError(`the store directory ${path} ${problem} (${remedy})`);
  };
  try {
    if (rehearsal === undefined) mkdirSync(path, { mode: 0o700 });
    else rehearsal.mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      refuse(`can't be made: ${troubleAt(path, error).problem}`, 'make it by hand, mode 0700');
    }
  }
  if (rehearsal?.wouldMake(path) === true) return;
  const user = process.geteuid!();
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) refuse('is a symbolic link', 'name the directory itself');
  if (!stat.isDirectory()) refuse('is no directory', 'name another, or remove the file');
  if ((stat.mode & 0o002) !== 0) refuse('can be written by anyone', 'chmod 0700 it');
  if (stat.uid !== user && (user === 0 || stat.uid !== 0)) {
    refuse(`belongs to user ${stat.uid}, not to ${user}`, remedyForOwner(stat.uid, user));
  }
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch {
    refuse(`can't be written by user ${user}`, `chown ${user} it, chmod 0700 it`);
  }
  checkOwner(join(path, STORE_FILE), user, refuse);
}

/** A file that root left behind, say after a command was run as root, can't be opened by the daemon's user. */
function checkOwner(file: string, user: number, refuse: (problem: string, remedy: string) => never): void {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined || (stat.isFile() && stat.uid === user)) return;
  const remedy = user === 0 ? remedyForOwner(stat.uid, user) : `chown ${user} ${file}*`;
  refuse(`holds ${STORE_FILE} of user ${stat.uid}`, remedy);
}
