/** Directories that plugins make, and what stands in them. */

import { accessSync, chmodSync, constants, existsSync, mkdirSync, statSync, type Dirent } from 'node:fs';
import { chmod, mkdir, open, readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DirectoryEntry, FileKind } from '../../bindings/plugin/files.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { troubleAt } from '../errors/system-trouble.ts';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** True for the error of a call that found nothing at its path. */
export const isMissing = (error: unknown): boolean =>
  codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

/**
 * Makes a directory, with all that is missing above, and throws with what is wrong unless this user may make files in it.
 * With `rehearsal` nothing is made.
 */
export function prepareDirectory(path: string, mode: number, rehearsal?: Rehearsal): void {
  try {
    if (rehearsal === undefined) makeAll(path, mode);
    else rehearsal.mkdirs(path);
    if (rehearsal?.wouldMake(path) === true) return;
    if (!statSync(path).isDirectory()) throw new Error('is no directory');
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Throws if the directory is missing and could not be made. */
export function expectDirectory(path: string, rehearsal: Rehearsal): void {
  try {
    rehearsal.mkdirs(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): Error {
  if (codeOf(cause) === undefined) return cause as Error;
  // The refused directory itself is what is looked at if it is there, else the one above it.
  const place = existsSync(path) ? join(path, 'file') : path;
  return new Error(troubleAt(place, cause).problem, { cause });
}

function makeAll(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    // mkdir leaves out the bits of the umask.
    chmodSync(path, mode);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || path === dirname(path)) throw error;
    makeAll(dirname(path), mode);
    makeAll(path, mode);
  }
}

/** One directory with all bits of `mode`. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode });
  await chmod(path, mode);
}

/** Undefined if there is nothing. */
export async function kindOf(path: string): Promise<FileKind | undefined> {
  try {
    return kindIn(await stat(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Undefined for what is missing, and for what is no link. */
export async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isMissing(error) || codeOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

export async function listDirectory(path: string): Promise<readonly DirectoryEntry[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries.map((entry) => ({ name: entry.name, kind: kindIn(entry) }));
}

type Kinds = Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

function kindIn(facts: Kinds): FileKind {
  if (facts.isFile()) return 'file';
  if (facts.isDirectory()) return 'directory';
  return facts.isSymbolicLink() ? 'link' : 'other';
}

/**
 * The beginning of a file that others may have put there. No link is followed and nothing is waited for: it must neither show
 * what they could not read themselves, nor hold up the process with a FIFO.
 */
export async function readHead(path: string, maxOctets: number): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    if (codeOf(error) === 'ELOOP') return '';
    throw error;
  });
  if (handle === undefined || handle === '') return handle;
  try {
    if (!(await handle.stat()).isFile()) return '';
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxOctets), 0, maxOctets, 0);
    return buffer.utf8Slice(0, bytesRead);
  } finally {
    await handle.close();
  }
}
