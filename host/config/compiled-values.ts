/** What was made of the lines of a configuration name, kept until a file changes. */

import { ConfigError, configErrorOf, type Place } from '../errors.ts';
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
      const error =
        configErrorOf(thrown) ??
        new ConfigError(
          this.#source.placeOf(name),
          thrown instanceof Error ? thrown.message : String(thrown),
        );
      if (memo.hasValue)
        this.#complaints.error(`compile ${name}`, `${error.message}; the last good value stays`);
      else memo.error = error;
    }
    memo.generation = generation;
    this.#memoOf(name).set(compile, memo);
    return memo;
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
