/** What was made of the lines of a configuration name, kept until a file changes. */

import type { PlacedLine } from '../../bindings/plugin/config.ts';
import { ConfigError, configErrorOf, type Place } from '../errors/error-classes.ts';
import type { Complaints } from './complaints.ts';

export type Compile<T> = (lines: readonly string[]) => T;

interface Memo {
  generation: number;
  /** The last value that could be made. */
  value: unknown;
  hasValue: boolean;
  /** Why there is no value. */
  error: ConfigError | undefined;
}

/** Where `CompiledValues` gets its lines. */
export interface LineSource {
  readonly generation: number;
  lines(name: string): readonly string[];
  linesWithPlaces(name: string): readonly PlacedLine[];
  placeOf(name: string): Place;
}

export class CompiledValues {
  readonly #source: LineSource;
  readonly #complaints: Complaints;
  /** By name, then by function. A function nobody holds any more takes its values along. */
  readonly #memos = new Map<string, WeakMap<Compile<unknown>, Memo>>();

  constructor(source: LineSource, complaints: Complaints) {
    this.#source = source;
    this.#complaints = complaints;
  }

  /** Throws a ConfigError if the lines are unknown or `compile` throws, and there never was a value of `name`. */
  get<T>(name: string, compile: Compile<T>): T {
    let memo = this.#memos.get(name)?.get(compile);
    if (memo?.generation !== this.#source.generation) memo = this.#compile(name, compile, memo);
    if (memo.error !== undefined) throw memo.error;
    return memo.value as T;
  }

  forget(): void {
    this.#memos.clear();
  }

  #compile<T>(name: string, compile: Compile<T>, last: Memo | undefined): Memo {
    const memo: Memo = last ?? { generation: 0, value: undefined, hasValue: false, error: undefined };
    // Read before compiling: `compile` may read other names, and those may change things.
    const { generation } = this.#source;
    try {
      memo.value = compile(this.#source.lines(name));
      memo.hasValue = true;
      memo.error = undefined;
      this.#complaints.settle(`compile ${name}`);
    } catch (thrown) {
      const error = configErrorOf(thrown) ?? this.#errorIn(name, compile, thrown);
      if (memo.hasValue)
        this.#complaints.error(`compile ${name}`, `${error.message}; the last good value stays`);
      else memo.error = error;
    }
    memo.generation = generation;
    this.#memoOf(name).set(compile, memo);
    return memo;
  }

  /** The lines that can't be compiled by themselves; all of them together are at fault if there is none. */
  #errorIn<T>(name: string, compile: Compile<T>, thrown: unknown): ConfigError {
    const lines = this.#source.linesWithPlaces(name);
    // The only line is the one at fault; it is not tried again.
    if (lines.length === 1) return new ConfigError(lines[0]!.place, textOf(thrown));
    return errorInLines(
      lines,
      ({ text }) => compile([text]),
      new ConfigError(this.#source.placeOf(name), textOf(thrown)),
    );
  }

  #memoOf(name: string): WeakMap<Compile<unknown>, Memo> {
    let memos = this.#memos.get(name);
    if (memos === undefined) {
      memos = new WeakMap();
      this.#memos.set(name, memos);
    }
    return memos;
  }
}

/** Lines that are tried one by one: in a list of a million, the first of many mistakes says enough. */
const MOST_TRIED = 10_000;

/** The error of each of `lines` that `read` throws for, the first with the others; `together` if none is wrong by itself. */
export function errorInLines(
  lines: readonly PlacedLine[],
  read: (line: PlacedLine) => unknown,
  together: ConfigError,
): ConfigError {
  const problems = lines.slice(0, MOST_TRIED).flatMap((line) => {
    try {
      read(line);
      return [];
    } catch (thrown) {
      return [configErrorOf(thrown) ?? new ConfigError(line.place, textOf(thrown))];
    }
  });
  const [first, ...besides] = problems;
  return first === undefined ? together : first.withBesides(besides);
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
