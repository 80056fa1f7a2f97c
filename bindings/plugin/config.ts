import type { Place, PlacedLine } from '../lists/placed-line.ts';

export { ConfigProblem, type Place, type PlacedLine } from '../lists/placed-line.ts';

/**
 * The configuration directory as plugins read it. Every reading throws an error with the code `Q_CONFIG` while a file is there, or
 * may be, and what it says cannot be told: it can't be read, or is damaged, and never was in order before. Let it pass: the
 * server then puts the client off in whatever hook it was, for an empty list would be a wrong answer.
 */
export interface Config {
  /** The first line of the file `name`, or undefined if the file is missing or holds no line. */
  value(name: string): string | undefined;
  /** All lines: comments and blank lines dropped, white space trimmed, `$include` followed. Empty if missing. */
  lines(name: string): readonly string[];
  /** The same lines, each with its place, for errors that name it. */
  linesWithPlaces(name: string): readonly PlacedLine[];
  /** Where the first line stands or, without one, the file an operator would write. */
  placeOf(name: string): Place;
  /** The first line as a number; `fallback` if missing. If it is none, that is logged and the number before, else `fallback`, counts. */
  number(name: string, fallback: number): number;
  /** True unless missing, empty, `0`, `no`, `off` or `false`. */
  flag(name: string): boolean;
  /** The value of `key` in the constant database `name.cdb`, or undefined. Ask once at set-up: that refuses a damaged one. */
  map(name: string, key: string): string | undefined;
  /** The name of this host: the file `me`, or the system's host name. */
  readonly me: string;
  /**
   * What `compile` makes of the lines of `name`, now and after every change of the file. Call it at set-up and keep the list: what
   * `compile` throws then stops the start, with file and line. Thrown later, it is logged, and the last good value stays.
   */
  list<T>(name: string, compile: (lines: readonly string[]) => T): CompiledList<T>;
}

/** A list of the configuration that is parsed when it changes, not for every message. */
export interface CompiledList<T> {
  /** Throws like all readings of `Config` while what the file says cannot be told, and never could. */
  readonly current: T;
}

/** The names in `config/plugins` that are loaded, in their order: `dkim` for `dkim:2 reject 0`. */
export const pluginNames = (config: Config): readonly string[] =>
  config.lines('plugins').map((line) => /^[^\s:]*/.exec(line)![0]);
