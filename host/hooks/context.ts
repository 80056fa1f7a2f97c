/** What a hook is handed: one object for each plugin and session, made when the plugin is first asked. */

import {
  isDenial,
  LogLevel,
  whitelistHost,
  whitelistSender,
  type Address,
  type Config,
  type Connection,
  type HookContext,
  type HookName,
  type Log,
  type Services,
  type Transaction,
} from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { Immunity } from '../../bindings/plugin/context.ts';
import type { Tasks } from '../../bindings/plugin/tasks.ts';
import { ConfigError } from '../errors/error-classes.ts';
import type { LogContext } from '../observe/logger.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import type { HookRunner } from './runner.ts';
import type { SessionTasks } from './session-tasks.ts';

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
    return (this.#log ??= this.#plugin.openLog(new HookLogContext(this, this.#session)));
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

/** The context of a plugin's log. It reads the hook of the moment, so one log serves all hooks of the plugin. */
class HookLogContext implements LogContext {
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

/** What hooks need of a session. */
export interface HookSession {
  readonly connection: Connection;
  /** The transaction of the moment; a new object after each reset. */
  readonly transaction: Transaction;
  readonly connectionId: string;
  /** Its seat in the flight record. */
  readonly seat?: number;
  /** Belongs to the hook runner: starts empty, and is filled with one context for each plugin that was asked. */
  readonly contexts: (PluginContext | undefined)[];
  /** Work that hooks have begun; it ends with the session. */
  readonly tasks: SessionTasks;
  /** False once the client is gone: no further answers are needed then. */
  readonly isOpen: boolean;
  /** For the log: the transaction, unique as the connection is. Undefined between transactions. */
  readonly transactionId: string | undefined;
  /** What the client has just entrusted to AUTH: none of it may be read in the log. */
  readonly secrets?: readonly string[] | undefined;
  /** Input that came before its turn. */
  readonly unread: { within(withinMs: number): Promise<boolean> };
  /** The plugin that refused what is being asked about, or took the message. Set by the hook runner, for the log. */
  decidedBy?: string | undefined;
  /** Adds to the connection's karma and returns the new total. */
  adjustKarma(points: number): number;
}

/** A user's configuration: the file everybody shares. */
export const userConfigFiles: UserConfig = (plugin, _session, _address, name) =>
  Promise.resolve(plugin.config.lines(name));

/** The same, but the hook `user_config` is asked first: the lines of an OK stand for the file, and after a denial they are unknown. */
export const userConfigOver =
  (runner: Pick<HookRunner, 'has' | 'run'>): UserConfig =>
  async (plugin, session, address, name) => {
    if (runner.has('user_config')) {
      const { code, lines } = await runner.run('user_config', session, address, name);
      if (code === ReturnCode.OK) return lines;
      if (isDenial(code)) {
        const file = `${name} of ${address.mailbox} (a plugin's hook user_config)`;
        throw new ConfigError({ file }, lines.join(' ') || "can't be told now");
      }
    }
    return plugin.config.lines(name);
  };
