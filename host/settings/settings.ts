/** The core's settings as one object of typed values. */

import type { Log } from '../../bindings/plugin/log-level.ts';
import { ConfigError } from '../errors/error-classes.ts';
import { ProblemLog } from '../config/problem-log.ts';
import { errorInLines } from '../config/compiled-lists.ts';
import { SourceSilent } from '../config/consulted-lists.ts';
import type { ConfigDirectory } from '../config/config-directory.ts';
import type { Setting } from './setting-kinds.ts';
import { SETTINGS } from './settings-table.ts';

type SettingName = keyof typeof SETTINGS;

/** All settings under the configuration of one moment; never changed once handed out. */
export type SettingValues = {
  readonly [N in SettingName]: (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;
};

const NAMES = Object.keys(SETTINGS) as SettingName[];

export class Settings {
  readonly #config: ConfigDirectory;
  readonly #problems: ProblemLog;
  #generation = 0;
  #values: SettingValues | undefined = undefined;

  constructor(config: ConfigDirectory, log: Log) {
    this.#config = config;
    this.#problems = new ProblemLog(log);
  }

  /**
   * The settings as they are now. Costs a comparison unless the configuration changed. What is wrong in a file is
   * logged once; the setting then keeps the value it had or, at first, has its default: a mistake in a file must not
   * lift a limit of the running daemon.
   */
  get current(): SettingValues {
    if (this.#values === undefined || this.#generation !== this.#config.generation)
      this.#values = this.#read();
    return this.#values;
  }

  /** Everything that is wrong with the files of the core's settings; a file two settings share is named once. */
  problems(): readonly ConfigError[] {
    const problems = new Map<string, ConfigError>();
    for (const name of NAMES) {
      try {
        for (const file of SETTINGS[name].files) this.#config.requireReadable(file);
        parseSetting(SETTINGS[name], this.#config);
      } catch (error) {
        const problem = asConfigError(error);
        // A web server is asked before the first client; until then there is nothing wrong.
        if (problem instanceof SourceSilent) continue;
        for (const each of [problem, ...problem.besides]) problems.set(each.message, each);
      }
    }
    return [...problems.values()];
  }

  /** Throws the first of `problems`, for the start of the daemon. */
  check(): void {
    const [problem] = this.problems();
    if (problem !== undefined) throw problem;
  }

  #read(): SettingValues {
    const last = this.#values;
    this.#generation = this.#config.generation;
    const values = NAMES.map((name) => [name, this.#valueOf(name, last)]);
    return Object.freeze(Object.fromEntries(values) as SettingValues);
  }

  #valueOf(name: SettingName, last: SettingValues | undefined): unknown {
    try {
      const value = parseSetting(SETTINGS[name], this.#config);
      this.#problems.settle(name);
      return value;
    } catch (error) {
      const value = last === undefined ? SETTINGS[name].fallback(this.#config) : last[name];
      if (error instanceof SourceSilent) return value;
      this.#problems.error(name, `${asConfigError(error).message}; using ${JSON.stringify(value) ?? 'none'}`);
      return value;
    }
  }
}

function parseSetting({ files, parse, fallback }: Setting<unknown>, config: ConfigDirectory): unknown {
  const file = files.find((name) => config.value(name) !== undefined);
  const [first, ...rest] = file === undefined ? [] : config.linesWithPlaces(file);
  if (first === undefined) return fallback(config);
  try {
    return parse([first, ...rest]);
  } catch (error) {
    const together = new ConfigError(first.place, error instanceof Error ? error.message : String(error));
    throw errorInLines([first, ...rest], (line) => parse([line]), together);
  }
}

/** Anything else that is thrown here is a fault of the program, and is thrown on. */
function asConfigError(error: unknown): ConfigError {
  if (error instanceof ConfigError) return error;
  throw error;
}
