/**
 * The directory of the embedded store: made if it is missing, refused if somebody else could write there. Its file is looked at
 * before it is mapped: what LMDB cannot read takes the whole process down.
 */

import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { remedyForOwner } from '../errors/error-classes.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { troubleAt } from '../errors/system-trouble.ts';
import { StoreError } from './backend.ts';

export const STORE_FILE = 'store.mdb';

/**
 * Throws a `StoreError` with a remedy. By default the directory lies where anyone may write: a symbolic link, or a
 * directory of another user there, would let that user read and replace what is known about senders, or crash the daemon
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

/** Opening writes two pages and a table of readers; on a full disk the first touch of the table is fatal. */
const SPACE_OCTETS = 1_048_576;
/** A file begins with two pages that describe it: their header of 24 octets, or 16 in older files, is followed by this number. */
const MAGIC = 0xbeefc0de;
const MAGIC_AT: readonly number[] = [6, 4];
const MIN_OCTETS = 8_192;

/** Throws an Error that says what is wrong. A missing or empty file is in order: it will be made. */
export async function checkStoreFile(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < SPACE_OCTETS)
    throw Object.assign(new Error(`no space left in ${directory}`), { code: 'ENOSPC' });
  const path = join(directory, STORE_FILE);
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const { size } = await file.stat();
    if (size === 0) return;
    const numbers = new Uint32Array(8);
    await file.read(numbers, 0, numbers.byteLength, 0);
    if (size < MIN_OCTETS || !MAGIC_AT.some((at) => numbers[at] === MAGIC)) {
      throw new Error(`${path} is no LMDB file; move it away, and a new one is made`);
    }
  } finally {
    await file.close();
  }
}
