/** Files that plugins read and write beside the configuration. */

import { closeSync, fstatSync, openSync, readFileSync, statSync, type Stats } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../bindings/plugin/services.ts';
import type {
  DirectoryEntry,
  FileKind,
  Files,
  FollowedFile,
  KeptLines,
  StagedFile,
  StageOptions,
} from '../../bindings/plugin/files.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { DirectorySync } from '../message/directory-sync.ts';
import {
  expectDirectory,
  isMissing,
  kindOf,
  linkTarget,
  listDirectory,
  makeDirectory,
  prepareDirectory,
  readHead,
} from './directories.ts';
import { openKeyWarning } from '../tls/key-pair.ts';
import { followFile } from './followed-file.ts';
import { RehearsedFile, stageFile } from './staged-file.ts';

const LOOK_EVERY_MS = 1_000;
/** A list of recipients has its place in memory, a disk image has not. */
const MAX_LIST_OCTETS = 67_108_864;
const MAX_SECRET_OCTETS = 65_536;
/** Bits of group and others. */
const OTHERS = 0o077;

export class SystemFiles implements Files {
  readonly #clock: Clock;
  /** The end of the queue of appends, by path. */
  readonly #appends = new Map<string, Promise<void>>();
  readonly #rehearsal: Rehearsal | undefined;
  readonly #syncs: DirectorySync;

  /** In a rehearsal nothing is written. */
  constructor(clock: Clock, rehearsal?: Rehearsal, syncs: DirectorySync = new DirectorySync()) {
    this.#clock = clock;
    this.#rehearsal = rehearsal;
    this.#syncs = syncs;
  }

  async read(path: string, { maxOctets }: { maxOctets: number }): Promise<string | undefined> {
    try {
      const facts = await stat(path);
      if (!facts.isFile()) return undefined;
      if (facts.size > maxOctets)
        throw new QpsmtpdError('Q_DELIVERY', `${path}: more than ${maxOctets} octets`);
      return (await readFile(path)).subarray(0, maxOctets).toString('utf8');
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw cause;
    }
  }

  readNow(path: string, { maxOctets }: { maxOctets: number }): string {
    return readChecked(path, maxOctets, () => undefined).toString('utf8');
  }

  readOctetsNow(path: string, { maxOctets }: { maxOctets: number }): Buffer | undefined {
    try {
      return readChecked(path, maxOctets, () => undefined);
    } catch (cause) {
      if (cause instanceof QpsmtpdError && cause.cause !== undefined && isMissing(cause.cause))
        return undefined;
      throw cause;
    }
  }

  readSecret(path: string): string {
    return readChecked(path, MAX_SECRET_OCTETS, problemWithSecret).toString('utf8');
  }

  openKeyWarning(path: string): string | undefined {
    return openKeyWarning(path);
  }

  append(path: string, blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    const rehearsal = this.#rehearsal;
    if (rehearsal !== undefined) return new Promise((resolve) => resolve(rehearsal.append(path)));
    const before = this.#appends.get(path) ?? Promise.resolve();
    const appended = before.then(() => writeBehind(path, blocks));
    const settled = appended.catch(() => undefined);
    this.#appends.set(path, settled);
    void settled.then(() => {
      if (this.#appends.get(path) === settled) this.#appends.delete(path);
    });
    return appended;
  }

  keep(path: string): KeptLines {
    return new KeptFile(path, this.#clock);
  }

  follow(path: string, options: { maxOctets: number }): FollowedFile {
    return followFile(path, options);
  }

  prepareDirectory(path: string, mode: number): void {
    prepareDirectory(path, mode, this.#rehearsal);
  }

  expectDirectory(path: string): void {
    if (this.#rehearsal !== undefined) expectDirectory(path, this.#rehearsal);
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    if (this.#rehearsal === undefined) await makeDirectory(path, mode);
    else this.#rehearsal.mkdir(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#rehearsal === undefined ? this.#syncs.sync(path) : Promise.resolve();
  }

  kindOf(path: string): Promise<FileKind | undefined> {
    return kindOf(path);
  }

  linkTarget(path: string): Promise<string | undefined> {
    return linkTarget(path);
  }

  list(path: string): Promise<readonly DirectoryEntry[]> {
    return listDirectory(path);
  }

  readHead(path: string, maxOctets: number): Promise<string | undefined> {
    return readHead(path, maxOctets);
  }

  async stage(path: string, options: StageOptions): Promise<StagedFile> {
    return this.#rehearsal === undefined
      ? stageFile(path, options)
      : new RehearsedFile(path, this.#rehearsal);
  }
}

/** One descriptor for the checks and the text: a file that is exchanged in between can't slip through. */
function readChecked(
  path: string,
  maxOctets: number,
  problemWith: (facts: Stats) => readonly [problem: string, remedy: string] | undefined,
): Buffer {
  const refuse = (problem: string, remedy: string, cause?: unknown): never => {
    throw new QpsmtpdError('Q_CONFIG', `${path}: ${problem} (${remedy})`, { cause });
  };
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const facts = fstatSync(file);
    if (!facts.isFile()) return refuse('is no file', 'make it one');
    const problem = problemWith(facts);
    if (problem !== undefined) return refuse(...problem);
    if (facts.size > maxOctets)
      return refuse(`has more than ${maxOctets} octets`, 'leave in it only what belongs there');
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof QpsmtpdError) throw cause;
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    return refuse(`can't be read: ${code}`, 'it has to be there and open to the user of the daemon', cause);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Every local user, or a program broken into, could send mail in this host's name. */
function problemWithSecret({ mode, uid }: Stats): readonly [problem: string, remedy: string] | undefined {
  if ((mode & OTHERS) !== 0) return ['can be read or written by others', 'chmod 600'];
  if (uid !== 0 && uid !== process.geteuid?.())
    return ['belongs to another user', 'chown it to the user of the daemon'];
  return undefined;
}

async function writeBehind(path: string, blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    for await (const block of blocks) await file.appendFile(block);
  } finally {
    await file.close();
  }
}

class KeptFile implements KeptLines {
  lines: readonly string[] | undefined = undefined;
  readonly #path: string;
  readonly #clock: Clock;
  #stamp = '';
  #lookedAt: number;
  #looking: Promise<void> | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#lookedAt = clock.now();
    try {
      const facts = statSync(path);
      if (!facts.isFile() || facts.size > MAX_LIST_OCTETS) return;
      this.lines = splitLines(readFileSync(path, 'utf8'));
      this.#stamp = stampOf(facts);
    } catch (cause) {
      if (!isMissing(cause)) throw cause;
    }
  }

  refresh(): Promise<void> | undefined {
    const now = this.#clock.now();
    if (this.#looking !== undefined) return this.#looking;
    if (now >= this.#lookedAt && now < this.#lookedAt + LOOK_EVERY_MS) return undefined;
    this.#lookedAt = now;
    this.#looking = this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** What can't be read now stays as it was. */
  async #look(): Promise<void> {
    try {
      const facts = await stat(this.#path);
      const stamp = stampOf(facts);
      if (stamp === this.#stamp || !facts.isFile() || facts.size > MAX_LIST_OCTETS) return;
      this.lines = splitLines(await readFile(this.#path, 'utf8'));
      this.#stamp = stamp;
    } catch {
      return;
    }
  }
}

const stampOf = ({ mtimeMs, size, ino }: { mtimeMs: number; size: number; ino: number }): string =>
  `${mtimeMs} ${size} ${ino}`;

/** The lines of a list that is no configuration file, without comments, empty lines and blanks around. */
export const splitLines = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
