/**
 * A dry run of a start: `qpsmtpd check` and `plugin list` see what a start would make, whether this user could, and
 * everything that is wrong at once. The services of plugins ask it, so no plugin needs to know.
 */

import { accessSync, constants, lstatSync, statSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, PluginErrors, QpsmtpdError } from './error-classes.ts';

/** Goes on with `otherwise` where `make` fails and the rest is to be looked at all the same. */
export type Attempt = <T>(otherwise: T, make: () => T | Promise<T>) => Promise<T>;

export class Rehearsal {
  /** Folders, by absolute path, in the order in which they would be made. */
  readonly #folders = new Set<string>();
  readonly #files = new Set<string>();
  readonly #problems: QpsmtpdError[] = [];

  /** Does `make`, and notes what is wrong. An error of another kind is a fault of the program, and is thrown. */
  readonly attempt: Attempt = async (otherwise, make) => {
    try {
      return await make();
    } catch (error) {
      this.#problems.push(...partsOf(error));
      return otherwise;
    }
  };

  /** Takes the place of `mkdirSync`: throws what that would throw for this user, and makes nothing. */
  mkdir(path: string): void {
    const full = resolve(path);
    if (this.#folders.has(full) || factsOf(full, lstatSync) !== undefined) throw failure('EEXIST', full);
    this.#requireRoom(full);
    this.#folders.add(full);
  }

  /** As `mkdir`, with everything that is missing above it. A folder that is there is in order. */
  mkdirs(path: string): void {
    const full = resolve(path);
    if (this.wouldMake(full) || factsOf(full, statSync)?.isDirectory() === true) return;
    if (full !== dirname(full)) this.mkdirs(dirname(full));
    this.mkdir(full);
  }

  /** Throws what opening a file for appending would throw. */
  append(path: string): void {
    const full = resolve(path);
    const facts = factsOf(full, statSync);
    if (facts?.isDirectory() === true) throw failure('EISDIR', full);
    if (facts !== undefined) return accessSync(full, constants.W_OK);
    this.#requireRoom(full);
    this.#files.add(full);
  }

  /** Throws what making a file that will have another name soon would throw: it is none of those that a start leaves. */
  stage(path: string): void {
    const full = resolve(path);
    if (this.#files.has(full) || this.#folders.has(full) || factsOf(full, lstatSync) !== undefined)
      throw failure('EEXIST', full);
    this.#requireRoom(full);
  }

  /** True for a folder that a start would make: there is nothing to be looked at yet. */
  wouldMake(path: string): boolean {
    return this.#folders.has(resolve(path));
  }

  /** What a start would make; what lies in a new folder goes with it. */
  get made(): readonly string[] {
    return [...this.#folders, ...this.#files].filter((path) => !this.#folders.has(dirname(path)));
  }

  /** Everything that is wrong, each once, by file and line; undefined if nothing is. */
  get failure(): Error | undefined {
    const byMessage = new Map(this.#problems.map((problem) => [problem.message, problem]));
    const problems = [...byMessage.values()].sort(byPlace);
    const [first] = problems;
    return problems.length > 1 ? new AggregateError(problems, first?.message) : first;
  }

  /** Throws unless something new could be put where `path` leads. */
  #requireRoom(path: string): void {
    const parent = dirname(path);
    if (this.#folders.has(parent)) return;
    const facts = factsOf(parent, statSync);
    if (facts === undefined) throw failure('ENOENT', path);
    if (!facts.isDirectory()) throw failure('ENOTDIR', path);
    try {
      accessSync(parent, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw Object.assign(error as Error, { syscall: 'mkdir' });
    }
  }
}

/** Undefined for what is not there. */
function factsOf(
  path: string,
  look: (path: string, options: { throwIfNoEntry: false }) => Stats | undefined,
): Stats | undefined {
  return look(path, { throwIfNoEntry: false });
}

const REASONS = {
  EEXIST: 'it is there already',
  EISDIR: 'it is a directory',
  ENOENT: 'the directory above it is missing',
  ENOTDIR: 'what stands above it is no directory',
};

const failure = (code: keyof typeof REASONS, path: string): Error =>
  Object.assign(new Error(`${code}: ${REASONS[code]}, '${path}'`), { code, path });

function partsOf(error: unknown): readonly QpsmtpdError[] {
  if (error instanceof PluginErrors) return error.problems;
  if (error instanceof AggregateError) return error.errors.flatMap(partsOf);
  if (error instanceof ConfigError) return [error, ...error.besides];
  if (error instanceof QpsmtpdError) return [error];
  throw error;
}

function byPlace(one: QpsmtpdError, other: QpsmtpdError): number {
  const [a, b] = [one, other].map((error) => (error instanceof ConfigError ? error.place : { file: '' }));
  return a!.file.localeCompare(b!.file) || lineOf(a!) - lineOf(b!);
}

const lineOf = ({ line = 0 }: { readonly line?: number }): number => line;
