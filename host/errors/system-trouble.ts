/** Explains what the system refused: which user, which directory, and what to do. */

import { accessSync, constants, existsSync, lstatSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';

export interface Trouble {
  readonly problem: string;
  readonly remedy: string;
}

/** The name of the user this process runs as, or the number of one without an account. */
export function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? 'unknown');
  }
}

/** `user smtpd`, or `user 54321` for one without an account. */
export const ownUser = (): string => `user ${ownName()}`;

/**
 * Why the system refused something at the absolute `path` with `cause`. The code alone often misleads: a directory above may be
 * what is missing or closed, and Node says EACCES for a socket in a directory that does not exist.
 */
export function troubleAt(path: string, cause: unknown): Trouble {
  const { code = 'unknown error', message, syscall } = cause as NodeJS.ErrnoException;
  for (const folder of foldersAbove(path)) {
    // A call that makes all directories on the way stopped at the first that is missing.
    if (syscall === 'mkdir' && code !== 'ENOENT' && !existsSync(folder))
      return troubleAt(folder, Object.assign(new Error(message), { code }));
    const trouble = troubleWithFolder(folder);
    if (trouble !== undefined) return trouble;
  }
  const parent = dirname(path);
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS')
    return { problem: code.startsWith('E') ? message : code, remedy: `look at ${path}` };
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined && !may(path, constants.R_OK))
    return {
      problem: `${ownUser()} may not read it (${code})`,
      remedy: `let that user read it: chown or chmod ${path}`,
    };
  if (!may(parent, constants.W_OK))
    return {
      problem: `${ownUser()} may not write to the directory ${parent} (${code})`,
      remedy: 'let that user write there, or name a path in another directory',
    };
  return { problem: message, remedy: `look at ${path}` };
}

/** Why a directory cannot hold what is configured in it; undefined if it can. */
function troubleWithFolder(folder: string): Trouble | undefined {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(folder).isDirectory();
  } catch (error) {
    // A circle of links, say: the call that failed has a better message.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return undefined;
    return { problem: `the directory ${folder} does not exist`, remedy: `make it, for ${ownUser()}` };
  }
  if (!isDirectory) return { problem: `${folder} is no directory`, remedy: 'name a path in a directory' };
  if (may(folder, constants.X_OK)) return undefined;
  return {
    problem: `${ownUser()} may not enter the directory ${folder} (EACCES)`,
    remedy: 'let that user read and enter it, by chown or chmod, or name another directory',
  };
}

/** From the root down, so that each was found open before the next is looked at. */
export function foldersAbove(path: string): readonly string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) return folders;
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
