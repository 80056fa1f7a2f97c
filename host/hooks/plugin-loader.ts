/** Loads what `config/plugins` lists: finds each file, imports it, reads its options and has it make its hooks. */

import { closeSync, openSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { PluginDefinition, Services } from '../../bindings/plugin/index.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ConfigError, printPlace, type Place } from '../errors/error-classes.ts';
import type { Logger } from '../observe/logger.ts';
import {
  loadError,
  messageOf,
  problemsOf,
  setUpOutlet,
  setUpPlugin,
  throwProblems,
  type LoadedOutlet,
  type LoadedPlugin,
  type PluginEnvironment,
  type PluginOrigin,
} from './loaded-plugin.ts';
import { showThrown } from './answer.ts';
import { urlOfCode } from './code-version.ts';
import { placeOfLoadFault } from './fault-place.ts';
import { movedExport, withMovedServices } from './moved-names.ts';
import { blameFile, callInScope, guardExits, type PluginCall } from './plugin-scope.ts';
import { OutletOpener } from './outlet-opener.ts';
import { findPlugin, type FoundPlugin } from './plugin-finder.ts';
import { parsePluginLine, type ConfigLine, type PluginLine } from './plugin-line.ts';

export interface LoaderEnvironment extends Omit<PluginEnvironment, 'services'> {
  readonly services: Omit<Services, 'outlets'>;
  /** The lines of `plugin_dirs`: searched in this order, before the plugins that come with the server. */
  readonly pluginDirs: readonly string[];
  /** Where packages are looked for, besides the directories of plugins. */
  readonly packageBases?: readonly string[] | undefined;
  /** Plugins given as objects, found before any file. */
  readonly definitions?: readonly PluginDefinition[];
}

/**
 * The plugins in the order of their lines. Throws a `ConfigError`, or `PluginErrors` with one for each thing that is
 * wrong; nothing is started then.
 */
export async function loadPlugins(
  lines: readonly ConfigLine[],
  environment: LoaderEnvironment,
): Promise<LoadedPlugin[]> {
  const plugins: LoadedPlugin[] = [];
  const problems: ConfigError[] = [];
  for (const line of lines) {
    try {
      const plugin = await loadPlugin(parsePluginLine(line), environment);
      refuseSecondWay(plugin, plugins, line);
      plugins.push(plugin);
    } catch (cause) {
      const name = line.text;
      problems.push(
        ...problemsOf(cause, (each) => loadError({ name, place: line.place }, messageOf(each), each)),
      );
    }
  }
  throwProblems(problems);
  return plugins;
}

/** A transaction can go one way only. */
function refuseSecondWay(plugin: LoadedPlugin, others: readonly LoadedPlugin[], { place }: ConfigLine): void {
  const other = plugin.cutThrough && others.find(({ cutThrough }) => cutThrough !== undefined);
  if (other === undefined) return;
  const problem = `${plugin.name}: ${other.name} takes every transaction to its hop already`;
  throw new ConfigError(place, problem, 'leave one of the two lines out');
}

function loadPlugin(line: PluginLine, environment: LoaderEnvironment): Promise<LoadedPlugin> {
  return setUp(line, environment, 0, setUpPlugin);
}

/** Finds the definition, has `make` set it up, and waits for the outlets it has opened meanwhile. */
async function setUp<T>(
  line: PluginLine,
  environment: LoaderEnvironment,
  depth: number,
  make: (
    definition: PluginDefinition,
    line: PluginLine,
    environment: PluginEnvironment,
    origin: PluginOrigin,
  ) => T,
): Promise<T> {
  const open = (inner: PluginLine): Promise<LoadedOutlet> =>
    setUp(inner, environment, depth + 1, setUpOutlet);
  const beginDelivery = () => environment.closings?.beginDelivery();
  const outlets = new OutletOpener(line.place, depth, open, beginDelivery);
  const services = withMovedServices({ ...environment.services, outlets });
  const load = async (
    definition: PluginDefinition,
    origin: PluginOrigin,
    read: PluginLine = line,
  ): Promise<T> => {
    const problems: ConfigError[] = [];
    const note = (cause: unknown): void =>
      void problems.push(...problemsOf(cause, (each) => loadError(read, messageOf(each), each)));
    let made: T | undefined;
    try {
      made = make(definition, read, { ...environment, services }, origin);
    } catch (cause) {
      note(cause);
    }
    // What was opened before the failure may be wrong as well.
    await outlets.settled().catch(note);
    throwProblems(problems);
    return made as T;
  };
  const owner = ownerOf(line, environment);
  const given = environment.definitions?.find(({ name }) => name === line.file);
  if (given !== undefined) return callInScope(owner, () => load(given, { isBuiltIn: false }));
  const found = findPlugin(line, environment.pluginDirs, environment.packageBases);
  const { path, isBuiltIn } = found;
  noteOtherNames(line, found, environment.logger);
  const origin = { isBuiltIn, file: path };
  if (isBuiltIn) return load(await importDefinition(line, found), origin, found.line);
  guardExits();
  blameFile(pathToFileURL(path).href, owner.blame);
  return callInScope(owner, async () => load(await importDefinition(line, found), origin, found.line));
}

/**
 * The definition of the plugin `name`, not set up: for commands. Throws as for a line of `plugins` at `place`; `admit` is told
 * the path of a plugin that does not come with the server, and throws if its code is not to be run.
 */
export async function loadDefinition(
  name: string,
  pluginDirs: readonly string[],
  place: Place,
  admit?: (path: string) => void,
): Promise<PluginDefinition> {
  const line = parsePluginLine({ text: name, place });
  const found = findPlugin(line, pluginDirs);
  if (!found.isBuiltIn) admit?.(found.path);
  return await importDefinition(line, found);
}

/** What an operator who comes from the Perl daemon may not expect. */
function noteOtherNames(
  { name, place }: PluginLine,
  { line, passedOver }: FoundPlugin,
  logger: Logger,
): void {
  const text =
    line.name === name
      ? passedOver && `${passedOver} is a Perl plugin: using ${line.file} of this server instead`
      : `${printPlace(place)}: ${name} is called ${line.name} now`;
  if (text !== undefined) logger.log(LogLevel.NOTICE, text, { plugin: line.name });
}

/** For errors of what the plugin begins while it is loaded. */
function ownerOf({ name }: PluginLine, { logger }: LoaderEnvironment): PluginCall {
  const blame = (thrown: unknown): void =>
    logger.log(LogLevel.CRIT, `FATAL PLUGIN ERROR [${name}]: outside its hooks: ${showThrown(thrown)}`, {
      plugin: name,
    });
  return { plugin: name, hook: undefined, blame };
}

async function importDefinition(
  line: PluginLine,
  { path, isBuiltIn }: FoundPlugin,
): Promise<PluginDefinition> {
  let module: { readonly default?: unknown };
  try {
    // The error of the system call names the cause; the one of a failed import may not.
    closeSync(openSync(path, 'r'));
    const url = isBuiltIn ? pathToFileURL(path).href : urlOfCode(path);
    module = (await import(/* @vite-ignore */ url)) as typeof module;
  } catch (cause) {
    const place = isBuiltIn ? '' : await placeOfLoadFault(path, cause);
    const { problem, remedy } = movedExport(cause) ?? { problem: messageOf(cause) };
    throw loadError(line, `${path} can't be loaded: ${problem}${place}`, cause, remedy);
  }
  if (!isDefinition(module.default)) {
    throw loadError(line, `${path} has no default export made by definePlugin({ name, about, hooks })`);
  }
  return module.default;
}

function isDefinition(value: unknown): value is PluginDefinition {
  if (typeof value !== 'object' || value === null) return false;
  const { name, hooks, options, positional } = value as Partial<Record<keyof PluginDefinition, unknown>>;
  return (
    typeof name === 'string' &&
    ((typeof hooks === 'object' && hooks !== null) || typeof hooks === 'function') &&
    (options === undefined || isSchema(options)) &&
    (positional === undefined || Array.isArray(positional))
  );
}

function isSchema(value: unknown): boolean {
  const { shape, safeParse } = value as { shape?: unknown; safeParse?: unknown };
  return typeof shape === 'object' && shape !== null && typeof safeParse === 'function';
}
