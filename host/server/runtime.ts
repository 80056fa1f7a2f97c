/**
 * One reading of the configuration of one service and everything made from it: plugins, hook chains, replies. Sessions keep
 * the one they began with, so that a reload never changes the rules under a running session.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Core } from '../../bindings/core/contract.ts';
import type { PlacedLine } from '../../bindings/lists/placed-line.ts';
import type { Clock, Services } from '../../bindings/plugin/services.ts';
import type { Stores } from '../../bindings/plugin/store.ts';
import { EXTRA_CONNECTIONS, type PluginDefinition } from '../../bindings/plugin/definition.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { namedService, SETTINGS } from '../settings/settings-table.ts';
import type { Setting } from '../settings/setting-kinds.ts';
import { Settings, type SettingValues } from '../settings/settings.ts';
import type { ProcessSpools } from '../spool/process-spools.ts';
import type { Spools } from '../../bindings/plugin/spool-services.ts';
import type { ProcessDns, ServiceDns } from '../dns/process-dns.ts';
import { DnsReverseLookup, type hostsFile, type ReverseLookup } from '../dns/reverse-lookup.ts';
import { ConfigError, printPlace } from '../errors/error-classes.ts';
import type { Attempt, Rehearsal } from '../errors/rehearsal.ts';
import { HookRunner } from '../hooks/runner.ts';
import { loggingSinks } from '../hooks/logging.ts';
import type { LoadedPlugin } from '../hooks/loaded-plugin.ts';
import { PluginChecks, type CheckNotice } from '../hooks/plugin-checks.ts';
import { PluginClosings } from '../hooks/plugin-closings.ts';
import { orderFaults } from '../hooks/plugin-line.ts';
import { loadPlugins, type LoaderEnvironment } from '../hooks/plugin-loader.ts';
import type { HookLimits } from '../hooks/hook-caller.ts';
import { configSource, runPostFork } from '../hooks/setup-hooks.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { DateStamp } from '../message/date-stamp.ts';
import type { ContentOptions } from '../message/content.ts';
import {
  openSpoolDirectory,
  SpoolDirectory,
  sweepSpool,
  type SpoolSettings,
} from '../message/spool-directory.ts';
import { StoredMessage } from '../message/stored-message.ts';
import { timedErrors, writeError } from '../observe/error-stream.ts';
import type { ClosableLogs } from '../observe/log-outputs.ts';
import { Logger, silence, type LogSink } from '../observe/logger.ts';
import { makeServices, systemClock } from '../services/services.ts';
import { maskPassword, storeLocationOf } from '../settings/store-settings.ts';
import type { ProcessStores } from '../store/stores.ts';
import type { TlsOptions } from '../tls/tls-layer.ts';
import { TlsOffers } from '../tls/tls-offers.ts';
import type { Deadlines } from '../../bindings/timing/deadlines.ts';
import { ReplyPrinter } from '../replies/reply.ts';
import { CutThroughRoute } from '../session/cut-through-route.ts';
import { smtpDialogue, type Dialogue } from '../session/dialogue.ts';
import { queuedRoute, type MessageRoute } from '../session/message-route.ts';
import type { SessionHost } from '../session/session-host.ts';
import type { Session } from '../session/session.ts';
import type { Turns } from '../session/turns.ts';
import { version } from '../package/package-root.ts';

/** What every generation shares: it outlives a reload. */
export interface ProcessResources {
  readonly core: Core;
  readonly deadlines: Deadlines;
  readonly memory: MemoryBudget;
  readonly turns: Turns;
  readonly dns: ProcessDns;
  readonly hosts: ReturnType<typeof hostsFile>;
  /** Undefined: names of clients are looked up in the DNS of the service. */
  readonly reverseLookup: ReverseLookup | undefined;
  readonly isDraining: boolean;
  readonly stores: ProcessStores;
  readonly spools: ProcessSpools;
  /** The connection of a session that ran under `runtime` is gone. */
  leave(session: Session, runtime: Runtime): void;
}

export interface RuntimeOptions {
  /** What `--config` names; undefined: `QPSMTPD_CONFIG` and the fallbacks. */
  readonly configDir?: string | undefined;
  /** The directories searched, instead of those that `configDir` and the environment lead to. */
  readonly directories?: readonly string[] | undefined;
  /** Plugins given as objects: a line that names one needs no file. */
  readonly definitions?: readonly PluginDefinition[] | undefined;
  /** Configuration files given in memory instead of on disk. */
  readonly overlay?: ReadonlyMap<string, readonly string[]> | undefined;
  /** Services that plugins get in place of the real ones. The clock is that of dates, too. */
  readonly services?: Partial<Services> | undefined;
  /** Takes the lines of the log, in place of the standard error stream. */
  readonly logSink?: LogSink | undefined;
  /** TLS that is given, for where the plugin `tls` offers none. */
  readonly tls?: TlsOptions | undefined;
  /** The spool directory is made, or looked at, when the first message outgrows `size_threshold`, and not at the start. */
  readonly makesSpoolLate?: boolean | undefined;
  /** What sessions say; undefined: SMTP as the settings have it. */
  readonly openDialogue?: (() => Dialogue) | undefined;
  /** Nothing is made, and what is wrong is noted there instead of thrown. */
  readonly rehearsal?: Rehearsal | undefined;
}

/** What the services of one generation share, and what each has for itself. */
export interface ServiceOptions extends RuntimeOptions {
  /** Undefined: the plain configuration. */
  readonly service?: string | undefined;
  readonly spools: Spools;
}

export class Runtime implements SessionHost {
  readonly core: Core;
  readonly config: ConfigDirectory;
  readonly logger: Logger;
  /** Those of `logging`, then those of `plugins`: the order in which they are asked. */
  readonly plugins: readonly LoadedPlugin[];
  readonly hooks: HookRunner;
  readonly openRoute: () => MessageRoute;
  readonly openDialogue: () => Dialogue;
  readonly printer: ReplyPrinter;
  readonly deadlines: Deadlines;
  readonly memory: MemoryBudget;
  readonly turns: Turns;
  readonly reverseLookup: ReverseLookup;
  /** By the settings, whatever plugins are given. */
  readonly dns: ServiceDns;
  /** Where `store` says, for the host itself. */
  readonly stores: Stores;
  readonly version = version;
  /** Connections beyond `--max-from-ip` that plugins decide about. */
  readonly extraConnections: number;
  /** Undefined: the one of listeners without a service. */
  readonly service: string | undefined;
  /** What a file of the service allows it, of the connections of all processes; undefined: no limit of its own. */
  readonly maxConnections: number | undefined;
  /** Open sessions that began under it. */
  sessions = 0;
  readonly #settings: Settings;
  readonly #foundation: ProcessResources;
  readonly #dateStamp: DateStamp;
  readonly #contentOptions: ContentOptions;
  readonly #tls: TlsOffers;
  readonly #givenTls: TlsOptions | undefined;
  readonly #limits: HookLimits;
  readonly #logs: ClosableLogs;
  readonly #checks: PluginChecks | undefined;
  readonly #closings: PluginClosings;
  #closed: Promise<void> | undefined = undefined;

  private constructor(
    foundation: ProcessResources,
    parts: Pick<Runtime, 'config' | 'logger' | 'plugins' | 'service'> & {
      settings: Settings;
      contentOptions: ContentOptions;
      tls: TlsOffers;
      given: RuntimeOptions;
      logs: ClosableLogs;
      closings: PluginClosings;
      clock: Clock;
      stores: Stores;
      dns: ServiceDns;
      reverseLookup: ReverseLookup;
      checks: PluginChecks | undefined;
    },
  ) {
    this.#foundation = foundation;
    this.core = foundation.core;
    this.deadlines = foundation.deadlines;
    this.memory = foundation.memory;
    this.turns = foundation.turns;
    this.reverseLookup = parts.reverseLookup;
    this.dns = parts.dns;
    this.stores = parts.stores;
    this.config = parts.config;
    this.logger = parts.logger;
    this.plugins = parts.plugins;
    this.#settings = parts.settings;
    this.#contentOptions = parts.contentOptions;
    this.#tls = parts.tls;
    this.#givenTls = parts.given.tls;
    this.openDialogue = parts.given.openDialogue ?? (() => smtpDialogue);
    this.#logs = parts.logs;
    this.#checks = parts.checks;
    this.#closings = parts.closings;
    this.service = parts.service;
    const isLimited = parts.config.isOfService('max_connections');
    this.maxConnections = (isLimited && this.settings.maxConnections) || undefined;
    this.#limits = { deadlines: foundation.deadlines, budgetMs: () => this.settings.pluginTimeoutMs };
    const leavesLimit = parts.plugins.some(({ definition }) => definition.limitsConnections === true);
    this.extraConnections = leavesLimit ? EXTRA_CONNECTIONS : 0;
    this.openRoute = routesOf(parts.plugins);
    this.hooks = new HookRunner(parts.plugins, parts.logger, this.#limits);
    this.printer = new ReplyPrinter(this.settings.replyStyle);
    this.#dateStamp = new DateStamp(parts.clock);
  }

  /** Reads everything; throws `ConfigError`, or an `AggregateError` of several, before anything of it takes effect. */
  static async load(foundation: ProcessResources, options: ServiceOptions): Promise<Runtime> {
    const { rehearsal, overlay = new Map<string, readonly string[]>(), definitions = [] } = options;
    const { service, spools } = options;
    const attempt: Attempt = rehearsal?.attempt ?? (async (_, make) => make());
    const writeTimed = timedErrors();
    const logger = new Logger(LogLevel.WARN, writeTimed);
    const given = options.logSink === undefined ? [] : [options.logSink];
    logger.attach(given);
    const log = logger.withContext({});
    const directories = options.directories ?? openSearchPath(options.configDir);
    const config = new ConfigDirectory({ directories, log, overlay, service: namedService(service) });
    // A rehearsal reports problems itself: the log would repeat them.
    const settings = new Settings(config, rehearsal === undefined ? log : silence);
    const tls = new TlsOffers(config, settings, log, systemClock);
    const closings = new PluginClosings(logger);
    const checks = rehearsal && new PluginChecks();
    const lookups = openLookups(foundation, settings, options);
    const system = makeServices(config.hostName, lookups.dns, writeError, rehearsal);
    try {
      await attempt(undefined, () => throwAll(settings.problems()));
      logger.level = rehearsal === undefined ? settings.current.logLevel : LogLevel.NOTICE;
      const store = foundation.stores.under(storeLocationOf(settings.current), rehearsal);
      const services = { ...system, tls, store, spools, ...options.services };
      const packageBases = [...config.directories, process.cwd()];
      const pluginDirs = await attempt([], () => config.lines('plugin_dirs'));
      const environment = {
        config,
        services,
        logger,
        closings,
        checks,
        pluginDirs,
        packageBases,
        definitions,
      };
      const isListed = overlay.has('plugins');
      const plugins = await loadAll(environment, { attempt, rehearsal, writeTimed, given, isListed });
      const source = configSource(plugins, logger);
      if (source !== undefined) {
        config.consult(source);
        await attempt(undefined, () => throwAll(settings.problems()));
      }
      const { memory } = foundation;
      const { makesSpoolLate = false } = options;
      const places = { config, settings, logger, memory, rehearsal, makesSpoolLate };
      const contentOptions = await openContent(places);
      const { clock, store: stores } = services;
      const own = { config, logger, plugins, settings, contentOptions, closings, checks, clock, stores };
      const parts = { ...system, ...own, ...lookups, tls, service };
      const runtime = new Runtime(foundation, { ...parts, given: options });
      if (rehearsal === undefined) for (const text of runtime.#authFaults()) log.warn(text);
      return runtime;
    } catch (error) {
      await closings.close(true);
      config.close();
      tls.close();
      system.logs.close();
      lookups.dns.close();
      throw error;
    }
  }

  /** Before its first client: the plugins begin their work that needs a running process. Never rejects. */
  async preparePlugins(): Promise<void> {
    await runPostFork(this.plugins, this.logger, this.#limits);
    this.config.consultAgain();
  }

  get settings(): SettingValues {
    return this.#settings.current;
  }

  get tls(): TlsOptions | undefined {
    return this.#tls.options ?? this.#givenTls;
  }

  get isDraining(): boolean {
    return this.#foundation.isDraining;
  }

  /** The settings whose files say something else than the default, for `check`; of a service those that it may have for itself. */
  changedSettings(): readonly { readonly name: string; readonly value: string }[] {
    const { service, config } = this;
    const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);
    return settings.flatMap(({ files, isSecret, isOfProcess }) => {
      const file = files.find((each) => config.isWritten(each));
      if (file === undefined || (service !== undefined && isOfProcess === true)) return [];
      const name = config.isOfService(file) ? `${file}.${service}` : file;
      const lines = config.lines(file);
      const value = isSecret === true ? `${lines.length} secrets` : maskPassword(lines.join('; '));
      return [{ name, value }];
    });
  }

  /** What plugins find when they look around, for `check`: nothing outside a rehearsal. Throws a `ConfigError`, or several. */
  async lookAround(): Promise<readonly CheckNotice[]> {
    const items = this.#authFaults();
    const headline = 'settings that keep clients out:';
    const ours = items.length === 0 ? [] : [{ headline, items, remedy: undefined }];
    return [...ours, ...((await this.#checks?.run()) ?? [])];
  }

  /** It works where a plugin such as `relay` knows every client by its address; elsewhere nobody could ever send. */
  #authFaults(): readonly string[] {
    const judges = this.plugins.some(({ hooks }) =>
      Object.keys(hooks).some((hook) => /^auth(?:-|$)/.test(hook)),
    );
    if (!this.settings.authRequired || judges) return [];
    const place = printPlace(this.config.placeOf('auth_required'));
    const { file } = this.config.placeOf('plugins');
    return [
      `${place}: MAIL is refused before AUTH, which no plugin of ${file} can judge (add auth/auth_flat_file, for one)`,
    ];
  }

  date(): string {
    return this.#dateStamp.text();
  }

  newMessage(): StoredMessage {
    return new StoredMessage(this.core, this.#contentOptions);
  }

  leave(session: Session): void {
    this.#foundation.leave(session, this);
  }

  /**
   * The last session of this generation is gone. Plugins close what they have opened once deliveries have ended, or `atOnce`.
   * Never rejects.
   */
  close(atOnce = false): Promise<void> {
    const closed = this.#closings.close(atOnce);
    return (this.#closed ??= closed.then(() => this.#closeServices()));
  }

  /** What a plugin says while it closes still goes into its log. */
  #closeServices(): void {
    this.config.close();
    this.#tls.close();
    this.#logs.close();
    this.dns.close();
  }
}

/** The DNS of the service, and the names of its clients, which are looked up by what plugins are given. */
function openLookups(
  { dns: ofProcess, hosts, reverseLookup }: ProcessResources,
  settings: Settings,
  { services }: RuntimeOptions,
): Pick<Runtime, 'dns' | 'reverseLookup'> {
  const dns = ofProcess.under(() => settings.current);
  return { dns, reverseLookup: reverseLookup ?? new DnsReverseLookup(services?.dns ?? dns, hosts) };
}

interface LoadingOptions {
  readonly attempt: Attempt;
  readonly rehearsal: Rehearsal | undefined;
  readonly writeTimed: (line: string) => void;
  /** Sinks that take the lines besides the logging plugins. */
  readonly given: readonly LogSink[];
  /** The plugins are listed in memory: an empty list is meant. */
  readonly isListed: boolean;
}

/** The plugins of `logging`, then those of `plugins`; the log goes to those that are loaded by then. */
async function loadAll(
  environment: LoaderEnvironment & { readonly config: ConfigDirectory },
  { attempt, rehearsal, writeTimed, given, isListed }: LoadingOptions,
): Promise<readonly LoadedPlugin[]> {
  const { config, logger } = environment;
  const loadFrom = (lines: () => readonly PlacedLine[]): Promise<readonly LoadedPlugin[]> =>
    attempt<readonly LoadedPlugin[]>([], () => loadPlugins(lines(), environment));
  const attach = (sources: readonly LoadedPlugin[]): void => {
    // A rehearsal reports to its caller, and not to the log.
    if (rehearsal === undefined) logger.attach([...loggingSinks(sources, writeTimed), ...given]);
  };
  const logging = await loadFrom(() => config.linesWithPlaces('logging'));
  attach(logging);
  const others = await loadFrom(() => pluginLines(config, logger, isListed));
  const plugins = [...logging, ...others];
  attach(plugins);
  if (rehearsal === undefined) for (const text of orderFaults(plugins)) logger.log(LogLevel.WARN, text);
  return plugins;
}

function throwAll(problems: readonly ConfigError[]): void {
  const [first, ...others] = problems;
  if (first === undefined) return;
  throw others.length === 0 ? first : new AggregateError(problems, first.message);
}

/** To the hop of the plugin that has one, else to the `queue` plugins. */
function routesOf(plugins: readonly LoadedPlugin[]): () => MessageRoute {
  for (const { cutThrough, name } of plugins)
    if (cutThrough !== undefined) return () => new CutThroughRoute(cutThrough, name);
  return () => queuedRoute;
}

/** Without the file nothing was configured; an empty one may be meant. */
function pluginLines(config: ConfigDirectory, logger: Logger, isGiven: boolean): readonly PlacedLine[] {
  config.requireReadable('plugins');
  const lines = config.linesWithPlaces('plugins');
  if (lines.length > 0) return lines;
  const { file } = config.placeOf('plugins');
  const isThere =
    config.isOfService('plugins') ||
    config.directories.some((directory) => existsSync(join(directory, 'plugins')));
  if (!isThere && !isGiven) {
    throw new ConfigError({ file }, 'not found', 'copy config.sample and name its copy with --config');
  }
  logger.log(LogLevel.WARN, `${file} lists no plugin: every recipient will be refused`);
  return lines;
}

/** Where large messages go while they arrive. */
async function openContent({
  config,
  settings,
  logger,
  memory,
  rehearsal,
  makesSpoolLate,
}: {
  config: ConfigDirectory;
  settings: Settings;
  logger: Logger;
  memory: MemoryBudget;
  rehearsal: Rehearsal | undefined;
  makesSpoolLate: boolean;
}): Promise<ContentOptions> {
  const { spoolDirectory, spoolMode } = settings.current;
  const options: SpoolSettings = {
    path: spoolDirectory,
    mode: spoolMode,
    place: config.placeOf('spool_dir'),
    clock: systemClock,
    rehearsal,
    warn: (text) => logger.log(LogLevel.WARN, text),
  };
  const open = (): SpoolDirectory => {
    const spool = openSpoolDirectory(options);
    const removed = rehearsal === undefined ? sweepSpool(spoolDirectory) : 0;
    if (removed > 0) logger.log(LogLevel.NOTICE, `${removed} files of dead processes removed from the spool`);
    return spool;
  };
  let spool: SpoolDirectory | undefined;
  if (rehearsal !== undefined) spool = await rehearsal.attempt(new SpoolDirectory(options), open);
  else if (!makesSpoolLate) spool = open();
  return {
    get sizeThreshold() {
      return settings.current.sizeThreshold;
    },
    get spool() {
      return (spool ??= open());
    },
    memory,
  };
}
