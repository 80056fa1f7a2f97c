/** Lists from plugins with a `config` hook, in place of files. */

import { ConfigError } from '../errors/error-classes.ts';
import { givenList, type ConfigList } from './config-list.ts';

/**
 * The lines that a plugin has for a configuration name, or undefined: then the file itself is read. Throws
 * `SourceSilent` if they may have some and can't tell now.
 */
export type ConfigSource = (name: string) => readonly string[] | undefined;

/** Read from files alone: what they say decides which plugins there are to be asked. */
const FILES_ONLY: ReadonlySet<string> = new Set(['plugins', 'plugin_dirs', 'logging', 'loglevel']);
/** How long an answer counts. Asking for every use would put a plugin between each command and its limits. */
const KEPT_MS = 1_000;
/** Names that are kept before all are forgotten: a plugin may ask for a file by a name a client chose. */
const MAX_NAMES = 4_096;

/** The plugin that answers for a name cannot say now what stands there. */
export class SourceSilent extends ConfigError {
  constructor(name: string, problem: string) {
    super({ file: name }, problem, 'write the file: it stands in');
    this.name = 'SourceSilent';
  }
}

export class ConsultedLists {
  readonly #source: ConfigSource;
  readonly #onChange: () => void;
  readonly #answers = new Map<string, Answered>();
  readonly #timer: NodeJS.Timeout;
  #isAsking = false;

  /** `onChange` is called when an answer differs from the one before. */
  constructor(source: ConfigSource, onChange: () => void) {
    this.#source = source;
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.askAgain(), KEPT_MS);
    this.#timer.unref();
  }

  /**
   * The list for `name`, undefined for the file, or the error. The answer before stays while the plugin cannot tell. A
   * plugin that reads configuration while it is asked gets the files.
   */
  list(name: string): Answered {
    if (this.#isAsking || FILES_ONLY.has(name)) return undefined;
    if (this.#answers.has(name)) return this.#answers.get(name);
    if (this.#answers.size >= MAX_NAMES) this.#answers.clear();
    const list = this.#ask(name);
    this.#answers.set(name, list);
    return list;
  }

  /** Asks for everything again that was asked for so far. */
  askAgain(): void {
    let hasChanged = false;
    for (const [name, before] of this.#answers) {
      const now = this.#ask(name);
      if (isSame(before, now) || (now instanceof SourceSilent && !(before instanceof SourceSilent))) continue;
      this.#answers.set(name, now);
      hasChanged = true;
    }
    if (hasChanged) this.#onChange();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #ask(name: string): Answered {
    this.#isAsking = true;
    try {
      const lines = this.#source(name);
      return lines === undefined || lines.length === 0
        ? undefined
        : givenList(lines, `${name} (a plugin's hook config)`);
    } catch (error) {
      if (error instanceof SourceSilent) return error;
      throw error;
    } finally {
      this.#isAsking = false;
    }
  }
}

type Answered = ConfigList | SourceSilent | undefined;

function isSame(before: Answered, now: Answered): boolean {
  if (before === undefined || now === undefined) return before === now;
  if (before instanceof SourceSilent || now instanceof SourceSilent)
    return before instanceof SourceSilent && now instanceof SourceSilent;
  const { lines } = before;
  return lines.length === now.lines.length && lines.every((line, index) => line === now.lines[index]);
}
