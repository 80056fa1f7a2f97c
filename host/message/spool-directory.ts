import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../bindings/plugin/services.ts';
import { ConfigError, remedyForOwner, type Place } from '../errors/error-classes.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { troubleAt } from '../errors/system-trouble.ts';

export interface SpoolSettings {
  readonly path: string;
  /** Permission bits from `spool_perms`. */
  readonly mode: number;
  /** Where the path was configured, for errors. */
  readonly place: Place;
  /** The user that will spool, if privileges are still to be dropped. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly clock: Clock;
  /** Nothing is made, and `openSpoolDirectory` only looks. */
  readonly rehearsal?: Rehearsal | undefined;
  warn(text: string): void;
}

/** Of all folders of this process: those of two services, or of two readings of the configuration, may be the same. */
let files = 0;

/** The folder large messages are kept in while they are received and checked. */
export class SpoolDirectory {
  readonly path: string;
  readonly warn: (text: string) => void;
  readonly #clock: Clock;
  readonly #mode: number;

  constructor(settings: Pick<SpoolSettings, 'path' | 'clock' | 'warn'> & { readonly mode?: number }) {
    this.path = settings.path;
    this.#mode = settings.mode ?? 0o700;
    this.warn = settings.warn;
    this.#clock = settings.clock;
  }

  /** Makes the directory again if it was removed while the daemon runs, by a cleaner of `/tmp` for one. */
  async restore(): Promise<void> {
    try {
      await mkdir(this.path, { mode: this.#mode });
      await chmod(this.path, this.#mode);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // Another session was faster, or a local user who wants to read the mail of others.
      const stat = await lstat(this.path);
      if (!stat.isDirectory() || stat.uid !== process.geteuid!())
        throw new Error(`${this.path} is a directory of user ${stat.uid}, or none at all`, { cause: error });
    }
  }

  /** A path no living process uses: `EPOCH:PID:N`. It need not be secret, the folder is closed to others. */
  newPath(): string {
    return join(this.path, `${Math.floor(this.#clock.now() / 1000)}:${process.pid}:${files++}`);
  }
}

/**
 * Makes the spool directory, or checks the one that is there. A symbolic link, a directory others may write to, and
 * one that belongs to another user are refused: a local user could plant files, or swap the mail of others.
 */
export function openSpoolDirectory(settings: SpoolSettings): SpoolDirectory {
  const { mode, place, owner, rehearsal } = settings;
  // With a slash at its end, the target of a symbolic link would be looked at, and not the link.
  const path = settings.path.replace(/\/+$/, '') || '/';
  const refuse = (problem: string, remedy: string): never => {
    throw new ConfigError(place, `spool_dir ${path} ${problem}`, remedy);
  };
  try {
    make(path, mode, owner, rehearsal);
  } catch (error) {
    refuse(`can't be made: ${troubleAt(path, error).problem}`, `make it by hand, mode ${octal(mode)}`);
  }
  if (rehearsal?.wouldMake(path) === true) return new SpoolDirectory({ ...settings, path });
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) refuse('is a symbolic link', 'name the directory itself');
  if (!stat.isDirectory()) refuse('is no directory', 'name another, or remove the file');
  if ((stat.mode & 0o002) !== 0) refuse('can be written by anyone', `chmod ${octal(mode & 0o775)} it`);
  const user = owner?.uid ?? process.geteuid!();
  if (stat.uid !== user && stat.uid !== 0) {
    refuse(`belongs to user ${stat.uid}, not to ${user}`, remedyForOwner(stat.uid, user));
  }
  if (user === process.geteuid!()) {
    try {
      accessSync(path, constants.W_OK | constants.X_OK);
    } catch {
      refuse(`can't be written by user ${user}`, `chown ${user} it, chmod ${octal(mode)} it`);
    }
  } else if (stat.uid !== user && (stat.mode & 0o020) === 0) {
    refuse(`belongs to root and can't be written by user ${user}`, `chown ${user} it`);
  }
  if ((stat.mode & 0o7777) !== mode) {
    settings.warn(`Permissions on spool_dir ${path}/ are not ${octal(mode)}`);
  }
  return new SpoolDirectory({ ...settings, path });
}

/**
 * Removes what dead processes left in the spool directory and returns how many files that were. Only regular files of
 * our own user and with a name of our pattern are touched, and only if no process has their pid. A file with our own
 * pid is a leftover if it is older than this process: in a container every start has the same pid. To be called
 * before this process spools anything; a spool directory belongs to one host (or container) alone.
 */
export function sweepSpool(directory: string): number {
  const startedAt = Math.floor(performance.timeOrigin / 1000);
  let removed = 0;
  for (const name of readdirSync(directory)) {
    const parts = /^(\d{1,12}):(\d{1,10}):\d+$/.exec(name);
    if (parts === null) continue;
    const [epoch, pid] = [Number(parts[1]), Number(parts[2])];
    if (pid === process.pid ? epoch >= startedAt : isAlive(pid)) continue;
    const path = join(directory, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.uid !== process.geteuid!()) continue;
    rmSync(path, { force: true });
    removed++;
  }
  return removed;
}

function make(
  path: string,
  mode: number,
  owner: SpoolSettings['owner'],
  rehearsal: Rehearsal | undefined,
): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined || rehearsal?.wouldMake(path) === true) return;
  if (rehearsal !== undefined) return rehearsal.mkdir(path);
  mkdirSync(path, { mode });
  // mkdir leaves out the bits of the umask.
  chmodSync(path, mode);
  if (owner !== undefined && process.geteuid!() === 0) chownSync(path, owner.uid, owner.gid);
}

/** EPERM means that the pid is in use by another user's process. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const octal = (mode: number): string => `0${mode.toString(8)}`;
