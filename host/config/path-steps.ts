/** Follows a path the way the system does and tells of every step, so that a change on the way can be noticed. */

import type { Stats } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';
import { errorCode, type FileSystem } from './file-system.ts';

/** As many symbolic links as Linux follows in one path. */
const MAX_LINKS = 40;

/** Hears of every entry a path leads through. */
export interface PathObserver {
  /** `name` in `directory` is about to be looked at. */
  enter(directory: string, name: string): void;
  /**
   * It was looked at; `facts` is undefined if it is not there or can't be told. `decides` if the way turns or ends
   * here: a symbolic link, something missing, or the last step.
   */
  met(directory: string, name: string, facts: Stats | undefined, decides: boolean): void;
  /** The names in `directory` are about to be listed. */
  listing(directory: string): void;
}

/** What a path led to. */
export interface Found {
  /** The path that was asked for. */
  readonly path: string;
  /** The same without symbolic links. */
  readonly real: string;
  readonly facts: Stats;
}

/** Throws the system's error if the path leads nowhere. */
export function followPath(path: string, files: FileSystem, observer: PathObserver | undefined): Found {
  const absolute = resolve(path);
  const root = parse(absolute).root;
  const steps = stepsOf(absolute.slice(root.length));
  let here = root;
  let links = 0;
  let facts = files.lstat(root);
  while (steps.length > 0) {
    const name = steps.pop()!;
    if (name === '..') {
      here = dirname(here);
      facts = files.lstat(here);
      continue;
    }
    facts = look(here, name, steps.length === 0, files, observer);
    if (!facts.isSymbolicLink()) {
      here = join(here, name);
      continue;
    }
    if (++links > MAX_LINKS) throw Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' });
    const target = files.readlink(join(here, name));
    steps.push(...stepsOf(target));
    if (target.startsWith(sep)) here = root;
  }
  return { path, real: here, facts };
}

/** The names of a path, the first one last. */
const stepsOf = (path: string): string[] =>
  path
    .split(sep)
    .filter((name) => name !== '' && name !== '.')
    .reverse();

function look(
  directory: string,
  name: string,
  isLast: boolean,
  files: FileSystem,
  observer: PathObserver | undefined,
): Stats {
  observer?.enter(directory, name);
  try {
    const facts = files.lstat(join(directory, name));
    observer?.met(directory, name, facts, isLast || facts.isSymbolicLink());
    return facts;
  } catch (error) {
    // A name too long for the file system can't appear either.
    if (errorCode(error) !== 'ENAMETOOLONG') observer?.met(directory, name, undefined, true);
    throw error;
  }
}
