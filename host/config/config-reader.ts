/** Finds and reads configuration files by the rules of qpsmtpd, which are those of qmail's control files and `$include`. */

import { join } from 'node:path';
import { isUtf8 } from 'node:buffer';
import { ConfigError, printPlace, type Place } from '../errors/error-classes.ts';
import type { ProblemLog } from './problem-log.ts';
import { emptyList, ListBuilder, type ConfigList } from './config-list.ts';
import { errorCode, isAbsent, TooLargeError, type FileSystem } from './file-system.ts';
import { followPath, type Found, type PathObserver } from './path-steps.ts';

/** Octets a line may have. A longer one is no configuration but a wrong file. */
export const MAX_LINE_OCTETS = 65_536;

/** The byte order mark that some editors put in front of UTF-8. */
const BYTE_ORDER_MARK = Buffer.from('\u{feff}');
const LF = 10;
const HASH = 35;

/** A blank in the sense of Perl's `\s` for ASCII. The other blanks of Unicode are text. */
const isBlank = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/**
 * Hands every line that says something to `take`, trimmed, with its number counted from 1: lines that are empty,
 * blank, or start with `#` are left out. There are no comments after text, no quotes and no continuation lines.
 * The text is taken as UTF-8, or as Latin-1 if it is not that. Throws a ConfigError for a line that is too long.
 */
export function eachLine(file: string, octets: Buffer, take: (text: string, line: number) => void): void {
  const readAs = isUtf8(octets) ? 'utf8' : 'latin1';
  let number = 0;
  const isMarked = octets.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  for (let start = isMarked ? BYTE_ORDER_MARK.length : 0; start < octets.length;) {
    number++;
    const lf = octets.indexOf(LF, start);
    const next = lf < 0 ? octets.length : lf + 1;
    let end = lf < 0 ? next : lf;
    if (end - start > MAX_LINE_OCTETS) {
      throw new ConfigError(
        { file, line: number },
        `the line is longer than ${MAX_LINE_OCTETS} octets`,
        'split it, or check whether this is the right file',
      );
    }
    while (start < end && isBlank(octets[start]!)) start++;
    while (start < end && isBlank(octets[end - 1]!)) end--;
    if (start < end && octets[start] !== HASH) take(octets.toString(readAs, start, end), number);
    start = next;
  }
}

/** Octets of a file, and of a list with all its includes. */
export const MAX_FILE_OCTETS = 64 * 1_024 * 1_024;
/** Files a list may include, and how deep. */
const MAX_FILES = 10_000;
const MAX_DEPTH = 100;

const INCLUDE = /^\$include[ \t]+(\S+)$/;

/** A file that exists and can't be read. */
export interface ReadFailure {
  readonly file: string;
  readonly code: string;
}

export interface ReadList {
  /** `emptyList` itself if there is no such file. */
  readonly list: ConfigList;
  /** Files that could not be read for the list: with any of them the list is incomplete. */
  readonly failures: readonly ReadFailure[];
}

/** A file as it is. */
export interface ReadOctets {
  readonly file: string;
  /** Undefined if it can't be read. */
  readonly octets: Buffer | undefined;
  readonly failures: readonly ReadFailure[];
}

export class ConfigReader {
  readonly #directories: readonly string[];
  readonly #files: FileSystem;
  readonly #problems: ProblemLog;
  readonly #observer: PathObserver | undefined;

  constructor(
    directories: readonly string[],
    files: FileSystem,
    problems: ProblemLog,
    observer: PathObserver | undefined,
  ) {
    this.#directories = directories;
    this.#files = files;
    this.#problems = problems;
    this.#observer = observer;
  }

  /** The lines of `name`. Throws a ConfigError for a file that is too large, includes too much, or includes itself. */
  list(name: string): ReadList {
    const reading = new Reading(name);
    const found = this.#locate(name, reading);
    if (found !== undefined) this.#add(found, reading);
    const list = found === undefined ? emptyList : reading.builder.finish();
    return { list, failures: reading.failures };
  }

  /** The octets of `name`; undefined if there is no such file. */
  octets(name: string): ReadOctets | undefined {
    const reading = new Reading(name);
    const found = this.#locate(name, reading);
    const octets = found === undefined ? undefined : this.#read(found, reading);
    const file = found?.path ?? reading.failures[0]?.file;
    return file === undefined ? undefined : { file, octets, failures: reading.failures };
  }

  /** The first directory that has the file wins. */
  #locate(name: string, reading: Reading): Found | undefined {
    const failures = reading.failures.length;
    for (const directory of this.#directories) {
      const found = this.#follow(join(directory, name), reading);
      if (found !== undefined) return found;
      // Whether the file is there is not known: the next directory must not answer in its place.
      if (reading.failures.length > failures) return undefined;
    }
    return undefined;
  }

  /** Undefined for what is not there. What can't be reached may be there: it is a failure, not a missing file. */
  #follow(path: string, reading: Reading): Found | undefined {
    try {
      return followPath(path, this.#files, this.#observer);
    } catch (error) {
      const code = errorCode(error);
      if (!isAbsent(code)) reading.failures.push({ file: path, code });
      return undefined;
    }
  }

  #read(found: Found, reading: Reading): Buffer | undefined {
    // The customary way to say "empty on purpose".
    if (found.real === '/dev/null') return Buffer.alloc(0);
    try {
      return this.#files.readFile(found.real, MAX_FILE_OCTETS);
    } catch (error) {
      if (error instanceof TooLargeError)
        throw tooMuch(found.path, `the file is larger than ${MAX_FILE_OCTETS} octets`);
      reading.failures.push({ file: found.path, code: errorCode(error) });
      return undefined;
    }
  }

  #add(found: Found, reading: Reading): void {
    const { chain, builder, name } = reading;
    const isCircular = chain.some(({ real }) => real === found.real);
    chain.push(found);
    if (isCircular) throw circular(name, chain);
    if (chain.length > MAX_DEPTH) throw tooMuch(found.path, `$include nests deeper than ${MAX_DEPTH} files`);
    if (++reading.files > MAX_FILES)
      throw tooMuch(found.path, `$include reaches more than ${MAX_FILES} files`);
    const octets = this.#read(found, reading);
    reading.octets += octets?.length ?? 0;
    if (reading.octets > MAX_FILE_OCTETS) {
      throw tooMuch(found.path, `$include makes a list of more than ${MAX_FILE_OCTETS} octets`);
    }
    if (octets !== undefined) {
      eachLine(found.path, octets, (text, line) => {
        const target = text.startsWith('$') ? INCLUDE.exec(text)?.[1] : undefined;
        if (target === undefined) builder.add(text, found.path, line);
        else this.#include(target, { file: found.path, line }, reading);
      });
    }
    chain.pop();
  }

  #include(target: string, place: Place, reading: Reading): void {
    const failures = reading.failures.length;
    const found = target.startsWith('/') ? this.#follow(target, reading) : this.#locate(target, reading);
    const about = printPlace(place);
    if (reading.failures.length > failures) return;
    if (found === undefined) {
      this.#problems.warn(about, `${about}: $include of ${target}: no such file`);
      return;
    }
    this.#problems.settle(about);
    if (!found.facts.isDirectory()) this.#add(found, reading);
    else for (const part of this.#filesIn(found, reading)) this.#add(part, reading);
  }

  /** The regular files of a directory in the order of their names, those whose names start with a dot left out. */
  #filesIn(directory: Found, reading: Reading): Found[] {
    this.#observer?.listing(directory.real);
    let names: readonly string[] = [];
    try {
      names = this.#files.readDirectory(directory.real);
    } catch (error) {
      reading.failures.push({ file: directory.path, code: errorCode(error) });
    }
    return names
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => this.#follow(join(directory.path, name), reading))
      .filter((found) => found?.facts.isFile() === true) as Found[];
  }
}

/** The state of one reading. */
class Reading {
  readonly name: string;
  readonly builder = new ListBuilder();
  readonly failures: ReadFailure[] = [];
  /** The files that are being read, each included by the one before. */
  readonly chain: Found[] = [];
  files = 0;
  octets = 0;

  constructor(name: string) {
    this.name = name;
  }
}

function circular(name: string, chain: readonly Found[]): ConfigError {
  const way = chain.map(({ path }) => path).join(' -> ');
  const problem = `Circular $include reference in config ${name}: ${way}`;
  return new ConfigError({ file: chain[0]!.path }, problem, 'break the circle');
}

const tooMuch = (file: string, problem: string): ConfigError =>
  new ConfigError({ file }, problem, 'check whether this is the right file');
