/** One plugin, set up as from its line in `config/plugins`, and asked by hand: no server, no client, no time but the test's own. */

import type { Outlet } from '../../bindings/plugin/delivery.ts';
import type { PluginDefinition, OptionShape } from '../../bindings/plugin/definition.ts';
import type { HookName } from '../../bindings/plugin/hooks.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { nameOf, type Verdict } from '../../bindings/plugin/verdict.ts';
import { ConfigError, type Place } from '../errors/error-classes.ts';
import {
  setUpOutlet,
  setUpPlugin,
  type LoadedPlugin,
  type PluginEnvironment,
} from '../hooks/loaded-plugin.ts';
import { loggingSinks } from '../hooks/logging.ts';
import { PluginChecks, type CheckNotice } from '../hooks/plugin-checks.ts';
import { PluginClosings } from '../hooks/plugin-closings.ts';
import { OutletOpener } from '../hooks/outlet-opener.ts';
import { parsePluginLine, type PluginLine } from '../hooks/plugin-line.ts';
import { HookRunner } from '../hooks/runner.ts';
import { configSource, runPostFork } from '../hooks/setup-hooks.ts';
import { DEFAULT_BUDGET_MS } from '../hooks/hook-caller.ts';
import { Logger, type LogContext } from '../observe/logger.ts';
import { MemoryConfig, type ConfigDatabases } from './memory-config.ts';
import type { ConfigFiles } from '../config/given-files.ts';
import { ClockDeadlines, TestClock } from './test-clock.ts';
import { testServices, type TestEnvironment } from './test-environment.ts';
import { TestSession, type ClientFacts, type TestMail } from './test-session.ts';

export interface TestPluginOptions extends TestEnvironment {
  /** What stands after the name in the line: `reject naughty`. */
  readonly options?: string | undefined;
  /** Configuration files. `me` is `mx.example` if it is not among them. */
  readonly config?: ConfigFiles | undefined;
  readonly databases?: ConfigDatabases | undefined;
  readonly client?: ClientFacts | undefined;
  /** Plugins that lines with outlets name: they are set up as well, and `ready` says when. Undefined: see `outlets`. */
  readonly definitions?: readonly PluginDefinition[] | undefined;
  /** The highest level of the lines that are collected; undefined: INFO. */
  readonly logLevel?: LogLevel | undefined;
}

/**
 * Sets a plugin up. Throws what would keep a server from starting: an error with file, line and remedy.
 */
export function testPlugin<S extends OptionShape>(
  definition: PluginDefinition<S>,
  options: TestPluginOptions = {},
): TestedPlugin {
  return new TestedPlugin(definition as unknown as PluginDefinition, options);
}

/** A verdict at a glance: `DENY No such user (#1.1)`. Lines of a longer reply are joined with blanks. */
export function printVerdict(verdict: Verdict): string {
  const { lines, status } = verdict;
  return [nameOf(verdict.code), ...lines, ...(status === undefined ? [] : [`(#${status})`])].join(' ');
}

export class TestedPlugin {
  readonly clock: TestClock;
  readonly config: MemoryConfig;
  /** What the plugin has logged, as `[CONNECTION] (HOOK) PLUGIN: text`. */
  readonly log: string[] = [];
  /** The session that `ask` asks about. */
  readonly session: TestSession;
  readonly ask: TestSession['ask'];
  readonly beginEarly: TestSession['beginEarly'];
  /**
   * Resolves when the outlets that the plugin has opened by `definitions` can be used; rejects with what would keep a server from
   * starting.
   */
  readonly ready: Promise<void>;
  readonly #plugin: LoadedPlugin;
  readonly #logger: Logger;
  readonly #runner: HookRunner;
  readonly #limits;
  readonly #closings: PluginClosings;
  readonly #checks: PluginChecks;
  /** The log of a server that has this plugin alone. */
  readonly #serverLog: Logger;

  constructor(definition: PluginDefinition, options: TestPluginOptions) {
    this.clock = options.clock ?? new TestClock();
    const collect = (line: string): void => void this.log.push(line.replace(/^\d+ /, ''));
    const logger = (this.#logger = new Logger(options.logLevel ?? LogLevel.INFO, collect));
    const services = testServices({ ...options, clock: this.clock });
    this.config = new MemoryConfig({
      files: options.config,
      databases: options.databases,
      hostName: services.system.hostName,
      log: logger.withContext({}),
    });
    const closings = (this.#closings = new PluginClosings(logger));
    const text = `${definition.name} ${options.options ?? ''}`;
    const line = parsePluginLine({ text, place: { file: 'plugins', line: 1 } });
    const checks = (this.#checks = new PluginChecks());
    const environment = { config: this.config, services, logger, closings, checks };
    const outlets = options.definitions && openerOf(options.definitions, environment, line.place);
    this.#plugin = setUpPlugin(definition, line, {
      ...environment,
      services: { ...services, ...(outlets && { outlets }) },
    });
    this.ready = outlets?.settled() ?? Promise.resolve();
    this.ready.catch(() => undefined);
    const past = (line: string): void => void this.log.push(line);
    this.#serverLog = new Logger(LogLevel.WARN, past);
    this.#serverLog.attach(loggingSinks([this.#plugin], past));
    this.#limits = { deadlines: new ClockDeadlines(this.clock), budgetMs: () => DEFAULT_BUDGET_MS };
    this.#runner = new HookRunner([this.#plugin], logger, this.#limits);
    this.session = this.openSession(options.client);
    this.ask = this.session.ask;
    this.beginEarly = this.session.beginEarly;
  }

  /** The hooks the plugin has, in the order it names them. */
  get hooks(): readonly HookName[] {
    return Object.entries(this.#plugin.hooks).flatMap(([name, hook]) =>
      hook === undefined ? [] : [name as HookName],
    );
  }

  /** The options, as the plugin gets them. */
  get options(): unknown {
    return this.#plugin.options;
  }

  /** For an outlet plugin: its outlet, made anew. Throws for any other. */
  get outlet(): Outlet {
    const { definition } = this.#plugin;
    if (definition.outlet === undefined) throw new TypeError(`${this.#plugin.name} is no outlet plugin`);
    return definition.outlet(this.#plugin as never);
  }

  /** Another client of the same plugin. */
  openSession(facts: ClientFacts = {}): TestSession {
    return new TestSession(this.#runner, facts);
  }

  /** A new transaction of the first session, as `TestSession.begin`. */
  begin(mail: TestMail = {}): void {
    this.session.begin(mail);
  }

  /** For a plugin with a `logging` hook: a line of the server's log. */
  readonly writeLog = (level: LogLevel, text: string, speaker: LogContext = {}): void =>
    this.#serverLog.log(level, text, speaker);

  /** True if the `logging` hook wants lines of this level. */
  readonly wantsLog = (level: LogLevel): boolean => this.#serverLog.writes(level);

  /** What the hook `config` has for a name: undefined if nothing. Throws if the plugin cannot tell. */
  configLines(name: string): readonly string[] | undefined {
    return configSource([this.#plugin], this.#logger)?.(name);
  }

  /** Runs the hook `post-fork`, as before the first client. */
  prepare(): Promise<void> {
    return runPostFork([this.#plugin], this.#logger, this.#limits);
  }

  /** What `qpsmtpd check` would print: the answers of what the plugin has given to `onCheck`. */
  check(): Promise<readonly CheckNotice[]> {
    return this.#checks.run();
  }

  /** The configuration is replaced, or the server stops: what the plugin has given to `onClose` is run. */
  close(): Promise<void> {
    this.config.close();
    return this.#closings.close(true);
  }
}

/** Opens outlets as the server does, of the definitions a test has given. */
function openerOf(
  definitions: readonly PluginDefinition[],
  environment: PluginEnvironment,
  place: Place,
  depth = 0,
): OutletOpener {
  const load = async (line: PluginLine) => {
    const definition = definitions.find(({ name }) => name === line.file);
    if (definition === undefined) throw new ConfigError(line.place, `Plugin ${line.name} not found`);
    const outlets = openerOf(definitions, environment, line.place, depth + 1);
    const services = { ...environment.services, outlets };
    const loaded = setUpOutlet(definition, line, { ...environment, services });
    await outlets.settled();
    return loaded;
  };
  return new OutletOpener(place, depth, load, () => environment.closings?.beginDelivery());
}
