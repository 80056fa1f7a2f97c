import { ConfigError } from '../errors.ts';
import type { Complaints } from './complaints.ts';

/** What reading a name gave. */
export interface Outcome<V> {
  readonly value: V;
  /** Why `value` is less than it should be, for the log. */
  readonly failure?: string | undefined;
}

/** Values by name, each read once until a change; the last good one outlives a reading that failed. */
export class Kept<V extends object> {
  readonly #read: (name: string) => Outcome<V>;
  readonly #complaints: Complaints;
  readonly #values = new Map<string, V>();
  readonly #refused = new Map<string, ConfigError>();
  readonly #lastGood = new Map<string, V>();

  constructor(read: (name: string) => Outcome<V>, complaints: Complaints) {
    this.#read = read;
    this.#complaints = complaints;
  }

  /** How many names are kept. */
  get size(): number {
    return this.#values.size + this.#refused.size;
  }

  /** The value if it is at hand. */
  known(name: string): V | undefined {
    return this.#values.get(name);
  }

  /** Reads `name`. Throws the ConfigError the reading throws if there never was a good value. */
  read(name: string): V {
    const refused = this.#refused.get(name);
    if (refused !== undefined) throw refused;
    const value = this.#valueOf(name);
    this.#values.set(name, value);
    return value;
  }

  /** Forgets all values; the last good ones stay for the case that the next reading fails. */
  drop(): void {
    this.#values.clear();
    this.#refused.clear();
  }

  forget(): void {
    this.drop();
    this.#lastGood.clear();
  }

  #valueOf(name: string): V {
    const lastGood = this.#lastGood.get(name);
    try {
      const { value, failure } = this.#read(name);
      if (failure === undefined) {
        this.#complaints.settle(`read ${name}`);
        this.#lastGood.set(name, value);
        return value;
      }
      const what = lastGood === undefined ? 'it counts as empty' : 'what was read before stays';
      this.#complaints.error(`read ${name}`, `${failure}; ${what}`);
      return lastGood ?? value;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (lastGood === undefined) {
        this.#refused.set(name, error);
        throw error;
      }
      this.#complaints.error(`read ${name}`, `${error.message}; what was read before stays`);
      return lastGood;
    }
  }
}
