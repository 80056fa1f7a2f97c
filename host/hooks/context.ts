/** What a hook is handed: one object for each plugin and session, made when the plugin is first asked. */

import {
  LogLevel,
  whitelistHost,
  whitelistSender,
  type Address,
  type Config,
  type Connection,
  type HookContext,
  type HookName,
  type Immunity,
  type Log,
  type Services,
  type Tasks,
  type Transaction,
} from '../../bindings/plugin/index.ts';
import type { Speaker } from '../observe/logger.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import type { HookSession } from './session.ts';

/** The lines of a user's configuration. */
export type UserConfig = (
  plugin: LoadedPlugin,
  session: HookSession,
  address: Address,
  name: string,
) => Promise<readonly string[]>;

/** Sessions keep one of these for each plugin, so all that can be had from the plugin is not copied. */
export class PluginContext implements HookContext {
  /** The hook that is running; the runner keeps it for the log. */
  hook: HookName | undefined;
  readonly #plugin: LoadedPlugin;
  readonly #session: HookSession;
  readonly #userConfig: UserConfig;
  #log: Log | undefined;

  constructor(plugin: LoadedPlugin, session: HookSession, userConfig: UserConfig) {
    this.hook = undefined;
    this.#plugin = plugin;
    this.#session = session;
    this.#userConfig = userConfig;
  }

  get name(): string {
    return this.#plugin.name;
  }

  get options(): unknown {
    return this.#plugin.options;
  }

  get config(): Config {
    return this.#plugin.config;
  }

  get services(): Services {
    return this.#plugin.services;
  }

  get connection(): Connection {
    return this.#session.connection;
  }

  get transaction(): Transaction {
    return this.#session.transaction;
  }

  get log(): Log {
    return (this.#log ??= this.#plugin.openLog(new HookSpeaker(this, this.#session)));
  }

  get tasks(): Tasks {
    return this.#session.tasks;
  }

  get linesFor(): HookContext['linesFor'] {
    return (address, name) => this.#userConfig(this.#plugin, this.#session, address, name);
  }

  get immunity(): Immunity | undefined {
    const { connection } = this.#session;
    if (connection.relayClient) return 'relay client';
    if (connection.notes.get(whitelistHost) === true) return 'whitelisted host';
    if (this.#session.transaction.notes.get(whitelistSender) === true) return 'whitelisted sender';
    return undefined;
  }

  /** A function of its own, so that hooks may take it out of their context. */
  get adjustKarma(): (points: number) => number {
    return (points) => {
      const total = this.#session.adjustKarma(points);
      if (this.log.writes(LogLevel.INFO)) this.log.info(`karma ${points} (${total})`);
      return total;
    };
  }

  get talksWithin(): (withinMs: number) => Promise<boolean> {
    return (withinMs) => this.#session.unread.within(withinMs);
  }
}

/** The speaker in a plugin's log. It reads the hook of the moment, so one log serves all hooks of the plugin. */
class HookSpeaker implements Speaker {
  readonly #context: PluginContext;
  readonly #session: HookSession;

  constructor(context: PluginContext, session: HookSession) {
    this.#context = context;
    this.#session = session;
  }

  get plugin(): string {
    return this.#context.name;
  }

  get hook(): HookName | undefined {
    return this.#context.hook;
  }

  get connectionId(): string {
    return this.#session.connectionId;
  }

  get transactionId(): string | undefined {
    return this.#session.transactionId;
  }

  get secrets(): readonly string[] | undefined {
    return this.#session.secrets;
  }
}
