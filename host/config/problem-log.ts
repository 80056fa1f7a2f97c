import type { Log } from '../../bindings/plugin/log-level.ts';

/**
 * Errors of the configuration, each said once: the same text about the same thing is not repeated at every message,
 * nor at every change of some other file.
 */
export class ProblemLog {
  readonly #log: Log;
  readonly #said = new Map<string, string>();

  constructor(log: Log) {
    this.#log = log;
  }

  error(about: string, text: string): void {
    if (this.#isNew(about, text)) this.#log.error(text);
  }

  warn(about: string, text: string): void {
    if (this.#isNew(about, text)) this.#log.warn(text);
  }

  /** The thing is in order again: should it break once more, that is said again. */
  settle(about: string): void {
    this.#said.delete(about);
  }

  forget(): void {
    this.#said.clear();
  }

  #isNew(about: string, text: string): boolean {
    if (this.#said.get(about) === text) return false;
    this.#said.set(about, text);
    return true;
  }
}
