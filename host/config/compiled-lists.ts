/** Values compiled from the lines of a configuration name, kept until a file changes. */

import type { CompiledList, PlacedLine } from '../../bindings/plugin/config.ts';
import { ConfigError, configErrorOf, lastingCode, type Place } from '../errors/error-classes.ts';
import type { ProblemLog } from './problem-log.ts';

type Compile<T> = (lines: readonly string[]) => T;

/** Where the lists get their lines. */
export interface LineSource {
  readonly generation: number;
  lines(name: string): readonly string[];
  linesWithPlaces(name: string): readonly PlacedLine[];
  placeOf(name: string): Place;
}

export class CompiledLists {
  readonly #source: LineSource;
  readonly #problems: ProblemLog;
  #origin = 0;

  constructor(source: LineSource, problems: ProblemLog) {
    this.#source = source;
    this.#problems = problems;
  }

  /** Throws a ConfigError if the lines are unknown or `compile` throws. */
  open<T>(name: string, compile: Compile<T>): CompiledList<T> {
    const list = new OpenList(name, compile, this.#source, this.#problems, () => this.#origin);
    // What is wrong now is said now.
    void list.current;
    return list;
  }

  /** The lines come from elsewhere now: what was made of the old ones is no last good value of the new. */
  forget(): void {
    this.#origin++;
  }
}

class OpenList<T> implements CompiledList<T> {
  readonly #name: string;
  readonly #compile: Compile<T>;
  readonly #source: LineSource;
  readonly #problems: ProblemLog;
  /** Goes up when the lines come from elsewhere. */
  readonly #originNow: () => number;
  /** Those under which it was compiled last. */
  #generation = 0;
  #origin = -1;
  /** The last value that could be made, in a box: it may be undefined. */
  #made: { readonly value: T } | undefined = undefined;
  /** Why there is no value. */
  #error: ConfigError | undefined = undefined;

  constructor(
    name: string,
    compile: Compile<T>,
    source: LineSource,
    problems: ProblemLog,
    originNow: () => number,
  ) {
    this.#name = name;
    this.#compile = compile;
    this.#source = source;
    this.#problems = problems;
    this.#originNow = originNow;
  }

  get current(): T {
    // A change of the origin makes a new generation, too.
    if (this.#generation !== this.#source.generation) this.#renew();
    if (this.#made === undefined) throw this.#error!;
    return this.#made.value;
  }

  #renew(): void {
    // Read before compiling: `compile` may read other names, and those may change things.
    const { generation } = this.#source;
    const origin = this.#originNow();
    if (origin !== this.#origin) this.#made = undefined;
    try {
      this.#made = { value: this.#compile(this.#source.lines(this.#name)) };
      this.#problems.settle(`compile ${this.#name}`);
    } catch (thrown) {
      const error = configErrorOf(thrown) ?? this.#errorOf(thrown);
      if (this.#made === undefined) this.#error = error;
      else this.#problems.error(`compile ${this.#name}`, `${error.message}; the last good value stays`);
    }
    this.#origin = origin;
    this.#generation = generation;
  }

  /** The lines that can't be compiled by themselves; all of them together are at fault if there is none. */
  #errorOf(thrown: unknown): ConfigError {
    const lines = this.#source.linesWithPlaces(this.#name);
    // The only line is the one at fault; it is not tried again.
    if (lines.length === 1) return new ConfigError(lines[0]!.place, textOf(thrown));
    return errorInLines(
      lines,
      ({ text }) => this.#compile([text]),
      new ConfigError(this.#source.placeOf(this.#name), textOf(thrown)),
    );
  }
}

/** Lines that are tried one by one: in a list of a million, the first of many mistakes says enough. */
const MAX_TRIED = 10_000;

/** The error of each of `lines` that `read` throws for, the first with the others; `together` if none is wrong by itself. */
export function errorInLines(
  lines: readonly PlacedLine[],
  read: (line: PlacedLine) => unknown,
  together: ConfigError,
): ConfigError {
  const problems = lines.slice(0, MAX_TRIED).flatMap((line) => {
    try {
      read(line);
      return [];
    } catch (thrown) {
      return [
        configErrorOf(thrown) ?? new ConfigError(line.place, textOf(thrown), undefined, lastingCode(thrown)),
      ];
    }
  });
  const [first, ...besides] = problems;
  return first === undefined ? together : first.withBesides(besides);
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
