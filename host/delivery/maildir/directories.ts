/** The directories of a Maildir. */

import { accessSync, chmodSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QpsmtpdError } from '../../errors/error-classes.ts';
import type { Rehearsal } from '../../errors/rehearsal.ts';
import { troubleAt } from '../../errors/system-trouble.ts';
import type { DirectorySync } from '../../message/directory-sync.ts';
import { attempt } from './maildir-error.ts';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Makes DIRECTORY/{new,cur,tmp} at start, with all that is missing above; throws with the path and a remedy. With `rehearsal`
 * nothing is made.
 */
export function prepareMaildir(directory: string, mode: number, rehearsal?: Rehearsal): void {
  for (const name of ['new', 'cur', 'tmp']) {
    const path = join(directory, name);
    try {
      if (rehearsal === undefined) makeSync(path, mode);
      else rehearsal.mkdirs(path);
      if (rehearsal?.wouldMake(path) === true) continue;
      if (!statSync(path).isDirectory()) throw new Error('is no directory');
      accessSync(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw unusable(path, error);
    }
  }
}

/** Throws if the folder of the Maildirs of all recipients is missing and could not be made with the first of them. */
export function requireMaildirs(directory: string, rehearsal: Rehearsal): void {
  try {
    rehearsal.mkdirs(directory);
  } catch (error) {
    throw unusable(directory, error);
  }
}

function unusable(path: string, error: unknown): QpsmtpdError {
  const remedy = `make it a directory that user ${process.geteuid!()} may write to, or name another Maildir`;
  const { message, code } = error as NodeJS.ErrnoException;
  // The refused directory itself is what is looked at if it is there, else the one above it.
  const place = existsSync(path) ? join(path, 'tmp') : path;
  const problem = `Maildir ${path} can't be used: ${code === undefined ? message : troubleAt(place, error).problem}`;
  return new QpsmtpdError('Q_DELIVERY', `${problem} (${remedy})`, { cause: error });
}

function makeSync(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    // mkdir leaves out the bits of the umask.
    chmodSync(path, mode);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || path === dirname(path)) throw error;
    makeSync(dirname(path), mode);
    makeSync(path, mode);
  }
}

/**
 * Makes the Maildir of one recipient while mail is delivered. tmp/ comes last, when everything else is durable: who
 * finds it, in whatever process, can rely on new/ being there after a crash too.
 */
export async function makeMaildir(directory: string, mode: number, syncs: DirectorySync): Promise<void> {
  for (const name of ['new', 'cur', 'tmp']) await make(join(directory, name), mode, syncs);
}

async function make(path: string, mode: number, syncs: DirectorySync): Promise<void> {
  const parent = dirname(path);
  try {
    await attempt('mkdir', path, () => mkdir(path, { mode }));
    await attempt('mkdir', path, () => chmod(path, mode));
  } catch (error) {
    const code = codeOf((error as Error).cause);
    if (code === 'ENOENT' && path !== parent) {
      await make(parent, mode, syncs);
      await make(path, mode, syncs);
      return;
    }
    if (code !== 'EEXIST') throw error;
  }
  // Also if somebody else made it just now: that one may not have come this far.
  await attempt('sync', parent, () => syncs.sync(parent));
}
