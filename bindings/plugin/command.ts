/**
 * Commands of plugins: `qpsmtpd NAME` for operators who look into what the plugin NAME keeps, and correct it.
 *
 *     command: {
 *       about: 'look into what the plugin visitors remembers',
 *       usage: 'list',
 *       help: '  list   all addresses',
 *       async run({ openStore, print }) {
 *         for await (const [address] of openStore('visitors').store.scan()) print(address);
 *       },
 *     },
 */

import type { Services } from './services.ts';
import type { Store } from './store.ts';

export interface CommandOption {
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value; without it the option is a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface PluginCommand {
  /** For the list of commands: half a sentence. */
  readonly about: string;
  /** What stands after `qpsmtpd NAME` in the first line of the help, but for `[--config DIR] [--service NAME]`. */
  readonly usage: string;
  /** The help, between the usage and the options. */
  readonly help: string;
  /** Besides `--config`, `--service` and `--help`. */
  readonly options?: readonly CommandOption[];
  /** The command ends with exit code 0 when this resolves; what it rejects with is printed as for any other command. */
  readonly run: (context: CommandContext) => Promise<void>;
}

/** No daemon runs here, no client is there, and `services` make no file. */
export interface CommandContext {
  /** Arguments that are no options. */
  readonly positionals: readonly string[];
  /** The value of an option, `''` for a switch, undefined without it. */
  readonly option: (name: string) => string | undefined;
  readonly services: Pick<Services, 'clock' | 'dns' | 'files' | 'system'>;
  /**
   * Opens a store where the daemon of this configuration has it; root becomes its owner first. Throws `Q_STORE` if there is
   * none yet: a command makes none. It is closed when the command has ended.
   */
  readonly openStore: (name: string) => CommandStore;
  readonly print: (line: string) => void;
  /**
   * An error in the command line, to be thrown: the exit code is 64. With `known`, what may have been meant by the argument
   * `word` is suggested.
   */
  readonly misuse: (problem: string, word?: string, known?: readonly string[]) => Error;
}

export interface CommandStore {
  readonly store: Store;
  /** Where it is, fit to be shown. */
  readonly place: string;
}
