import { ConfigError } from '../errors/error-classes.ts';
import type { ProblemLog } from './problem-log.ts';

/**
 * Values by name, each read once until a change. A value is known, was known, or is unknown: the last good one outlives a
 * reading that failed, and where there never was one the failure is thrown, for an empty list would be a wrong answer.
 */
export class LastGoodCache<V extends object> {
  readonly #read: (name: string) => V;
  readonly #problems: ProblemLog;
  readonly #values = new Map<string, V>();
  readonly #unknown = new Map<string, ConfigError>();
  readonly #lastGood = new Map<string, V>();

  /** `read` throws a ConfigError if it can't tell the value. */
  constructor(read: (name: string) => V, problems: ProblemLog) {
    this.#read = read;
    this.#problems = problems;
  }

  /** How many names are kept. */
  get size(): number {
    return this.#values.size + this.#unknown.size;
  }

  /** The names that were asked for since the last change. */
  get names(): readonly string[] {
    return [...this.#values.keys(), ...this.#unknown.keys()];
  }

  /** The value if it is at hand. */
  known(name: string): V | undefined {
    return this.#values.get(name);
  }

  /** Reads `name`. Throws the ConfigError the reading throws if there never was a good value. */
  read(name: string): V {
    const unknown = this.#unknown.get(name);
    if (unknown !== undefined) throw unknown;
    const value = this.#valueOf(name);
    this.#values.set(name, value);
    return value;
  }

  /** Forgets all values; the last good ones stay for the case that the next reading fails. */
  drop(): void {
    this.#values.clear();
    this.#unknown.clear();
  }

  /** Forgets last good values as well, except those that are `worthKeeping`. */
  forget(worthKeeping: (value: V) => boolean): void {
    this.drop();
    for (const [name, value] of this.#lastGood) if (!worthKeeping(value)) this.#lastGood.delete(name);
  }

  #valueOf(name: string): V {
    try {
      const value = this.#read(name);
      this.#problems.settle(`read ${name}`);
      this.#lastGood.set(name, value);
      return value;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const lastGood = this.#lastGood.get(name);
      if (lastGood === undefined) {
        this.#unknown.set(name, error);
        throw error;
      }
      this.#problems.error(`read ${name}`, `${error.message}; what was read before stays`);
      return lastGood;
    }
  }
}
