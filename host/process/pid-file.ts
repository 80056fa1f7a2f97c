/** The pid file: keeps a second daemon from starting and tells scripts whom to signal. */

import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  linkSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { ConfigError, QpsmtpdError } from '../errors/error-classes.ts';
import { ownUser, troubleAt } from '../errors/system-trouble.ts';
import { codeOf } from './exit-code.ts';

/** How often a stale file is cleared away before another starter is taken to be faster. */
const ATTEMPTS = 3;

export class PidFile {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Writes the own pid to `path`. Throws `Q_ALREADY_RUNNING` if the file names a living process; a file left over
   * from a dead one is replaced. `isRunning` is asked for the pid in the file.
   */
  static claim(path: string, isRunning: (pid: number) => boolean = isAlive): PidFile {
    if (!isAbsolute(path)) {
      throw new QpsmtpdError('Q_USAGE', `--pid-file ${path}: the path must be absolute`);
    }
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (create(path)) return new PidFile(path);
      const pid = readPid(path);
      // After a restart of a container the same small number may well be our own.
      if (pid !== undefined && pid !== process.pid && isRunning(pid)) {
        throw new QpsmtpdError('Q_ALREADY_RUNNING', `Found an already running qpsmtpd with pid ${pid}.`);
      }
      discard(path);
    }
    throw new QpsmtpdError('Q_ALREADY_RUNNING', `${path}: another process keeps writing its pid here`);
  }

  /** The file of a predecessor that still runs; `takeOver` follows. */
  static of(path: string): PidFile {
    return new PidFile(path);
  }

  /** Writes the own pid in place of the one that is there. A reader sees one or the other. */
  takeOver(): void {
    const draft = draftOf(this.path);
    try {
      writeFileSync(draft, `${process.pid}\n`, { flag: 'wx', mode: 0o644 });
      renameSync(draft, this.path);
    } catch (error) {
      discardDraft(draft);
      throw cannotWrite(this.path, error);
    }
  }

  /** Undefined: another process of this user can put its own file here. */
  whyNotReplaceable(): string | undefined {
    const folder = dirname(this.path);
    try {
      accessSync(folder, constants.W_OK);
      return undefined;
    } catch {
      return `the pid file ${this.path} cannot be replaced by ${ownUser()} (put it into a folder of that user, or restart)`;
    }
  }

  /** A successor that came to nothing may have put its pid there. */
  restore(): void {
    try {
      const pid = readPid(this.path);
      if (pid !== process.pid && (pid === undefined || !isAlive(pid))) this.takeOver();
    } catch {
      // The file could be replaced a moment ago; without it the daemon serves all the same.
    }
  }

  /**
   * Removes the file if it still holds the own pid. Where the folder belongs to root and root was given up the file
   * stays; it names a dead process then and the next start replaces it.
   */
  remove(): void {
    try {
      if (readPid(this.path) === process.pid) unlinkSync(this.path);
    } catch {
      // The next start finds a stale file.
    }
  }
}

const draftOf = (path: string): string => `${path}.${randomBytes(6).toString('hex')}`;

/** Creates the file with its content in one step: a reader never sees it empty. False if it exists already. */
function create(path: string): boolean {
  const draft = draftOf(path);
  try {
    writeFileSync(draft, `${process.pid}\n`, { flag: 'wx', mode: 0o644 });
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw cannotWrite(path, error);
  } finally {
    discardDraft(draft);
  }
}

function discardDraft(draft: string): void {
  try {
    unlinkSync(draft);
  } catch {
    // It was never made.
  }
}

function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, cause: unknown): ConfigError {
  const { problem, remedy } = troubleAt(path, cause);
  return new ConfigError({ file: path }, `cannot write the pid file: ${problem}`, remedy);
}

/** The pid in the file; undefined if there is no file or no number in it. */
function readPid(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw cannotWrite(path, error);
  }
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
