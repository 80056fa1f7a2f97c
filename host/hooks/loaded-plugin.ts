/** Makes a plugin that is ready to be asked, of a definition and the arguments of its line. */

import {
  LogLevel,
  z,
  type Config,
  type Log,
  type OptionShape,
  type Outlet,
  type PluginDefinition,
  type Services,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { commonOptions, rejectOptions, type RejectOptions } from '../../bindings/plugin/definition.ts';
import { ANNOUNCING_HOOKS, HOOK_NAMES, type Begins, type Hooks } from '../../bindings/plugin/hooks.ts';
import type { CutThrough } from '../../bindings/plugin/cut-through.ts';
import { ON_ERROR, sparingImmune } from '../../bindings/plugin/definition.ts';
import { ConfigError, configErrorOf, lastingCode, PluginErrors } from '../errors/error-classes.ts';
import type { Logger, LogContext } from '../observe/logger.ts';
import { placeInStack } from './fault-place.ts';
import { nearest } from '../../bindings/lists/nearest.ts';
import { parseOptions, sortArguments } from './plugin-options.ts';
import type { PluginChecks } from './plugin-checks.ts';
import { PluginClosings } from './plugin-closings.ts';
import type { PluginLine } from './plugin-line.ts';

/** What plugins are given by the host. */
export interface PluginEnvironment {
  readonly config: Config;
  readonly services: Services;
  readonly logger: Logger;
  /** Undefined where nothing outlives the call: then nothing is closed. */
  readonly closings?: PluginClosings | undefined;
  /** Undefined where nobody will ask what plugins have found. */
  readonly checks?: PluginChecks | undefined;
}

/** The settings that turn findings and failures into verdicts. */
export interface FindingSettings extends RejectOptions {
  /** The line's `on_error`, else the definition's `onError`; undefined: it depends on the hook. */
  readonly on_error?: 'skip' | 'defer' | undefined;
  /** How long an answer is waited for; undefined: as long as `plugin_timeout` says. */
  readonly timeoutMs?: number | undefined;
}

/** Where a plugin's code comes from. */
export interface PluginOrigin {
  /** It comes with the server, and leaves nothing behind that could fail later. */
  readonly isBuiltIn: boolean;
  /** Undefined for a plugin given as an object. */
  readonly file?: string | undefined;
}

const GIVEN: PluginOrigin = { isBuiltIn: false };

export interface LoadedPlugin extends PluginOrigin {
  /** The name in the log, instance number included. */
  readonly name: string;
  /** Its name without the number, and where its line stands. */
  readonly line: Pick<PluginLine, 'file' | 'place'>;
  readonly definition: PluginDefinition;
  readonly options: unknown;
  readonly settings: FindingSettings;
  readonly hooks: Omit<Hooks<unknown>, 'begins'>;
  /** What it can begin before its turn in a hook. */
  readonly begins: Begins<unknown> | undefined;
  /** Takes transactions to a next hop while they happen. */
  readonly cutThrough: CutThrough | undefined;
  readonly config: Config;
  readonly services: Services;
  readonly onClose: Setup<unknown>['onClose'];
  readonly onCheck: Setup<unknown>['onCheck'];
  /** Outside any session. */
  readonly log: Log;
  /** The highest level of the lines its `logging` hook wants. */
  readonly logsUpTo: LogLevel | -1;
  /** A log at the levels this plugin's line asks for. */
  openLog(context: LogContext): Log;
}

const NO_OPTIONS = z.object({});

/** Reads the options, and has the plugin make its hooks. Throws a `ConfigError`, or several in a `PluginErrors`. */
export function setUpPlugin<S extends OptionShape>(
  definition: PluginDefinition<S>,
  line: PluginLine,
  environment: PluginEnvironment,
  origin: PluginOrigin = GIVEN,
): LoadedPlugin {
  const { config, services, logger } = environment;
  const { options, settings, loglevel } = readOptions(definition as unknown as PluginDefinition, line);
  const adjustment = levelAdjustment(loglevel);
  const openLog = (context: LogContext): Log => logger.withContext(context, adjustment);
  const log = openLog({ plugin: line.name });
  const own = registrationsOf(line, environment, origin);
  const shared = { name: line.name, options, config, services, log, ...own };
  let hooks: Hooks<unknown>;
  let cutThrough: CutThrough | undefined;
  try {
    const made = definition.hooks as Hooks<unknown> | ((setup: typeof shared) => Hooks<unknown>);
    hooks = typeof made === 'function' ? made(shared) : made;
    cutThrough = definition.cutThrough?.(shared as never);
  } catch (cause) {
    throw setUpError(line, cause, origin);
  }
  checkHooks(hooks, line);
  const sparing = sparingImmune(hooks, definition.skipsImmune);
  const { begins, ...others } = sparing;
  const logsUpTo = (definition.logsUpTo?.(options as z.output<S>) ?? LogLevel.DEBUG) as LogLevel | -1;
  return {
    ...shared,
    ...origin,
    line,
    logsUpTo,
    definition: definition as unknown as PluginDefinition,
    settings,
    hooks: begins === undefined ? sparing : others,
    begins,
    cutThrough,
    openLog,
  };
}

/** An outlet, and what its definition says of it. */
export interface LoadedOutlet {
  readonly outlet: Outlet;
  readonly isLocal: boolean;
}

/** Reads the options, and has the plugin make its outlet alone. Throws as `setUpPlugin` does, and for one without. */
export function setUpOutlet(
  definition: PluginDefinition,
  line: PluginLine,
  environment: PluginEnvironment,
  origin: PluginOrigin = GIVEN,
): LoadedOutlet {
  const { config, services, logger } = environment;
  if (definition.outlet === undefined) {
    throw loadError(line, 'is a plugin that is no outlet: nothing can be handed on to it');
  }
  const { options, loglevel } = readOptions(definition, line);
  const log = logger.withContext({ plugin: line.name }, levelAdjustment(loglevel));
  try {
    const own = registrationsOf(line, environment, origin);
    const shared = { name: line.name, options: options as never, config, services, log, ...own };
    const outlet = definition.outlet(shared);
    return { outlet, isLocal: definition.isLocal === true };
  } catch (cause) {
    throw setUpError(line, cause, origin);
  }
}

/** What is asked of a plugin later, outside its hooks. */
function registrationsOf(
  { name: plugin, place }: PluginLine,
  { logger, closings = new PluginClosings(logger), checks }: PluginEnvironment,
  { isBuiltIn }: PluginOrigin,
): Pick<Setup<unknown>, 'onClose' | 'onCheck'> {
  return {
    onClose: (close) => closings.add({ plugin, isBuiltIn, close }),
    onCheck: (check) => checks?.add({ plugin, place, isBuiltIn, check }),
  };
}

/** A list the plugin could not read has its own place, closer to the cause than the plugin's line. */
function setUpError(
  line: PluginLine,
  cause: unknown,
  { isBuiltIn, file }: PluginOrigin,
): ConfigError | PluginErrors {
  const problems = problemsOf(cause, (each) => {
    const place = isBuiltIn || file === undefined ? undefined : placeInStack(file, each);
    const where = place === undefined ? '' : ` (${place})`;
    return loadError(line, `could not be set up: ${messageOf(each)}${where}`, each);
  });
  return gathered(problems[0]!, problems.slice(1));
}

/** All that an error stands for, at least one; `otherwise` places one that is thrown without a place. */
export function problemsOf(
  cause: unknown,
  otherwise: (cause: unknown) => ConfigError,
): readonly ConfigError[] {
  if (cause instanceof PluginErrors) return cause.problems;
  if (cause instanceof AggregateError && cause.errors.length > 0)
    return cause.errors.flatMap((each) => problemsOf(each, otherwise));
  const error = configErrorOf(cause) ?? otherwise(cause);
  return [error, ...error.besides];
}

/** Throws what is in `problems`: nothing, the one, or all. */
export function throwProblems([first, ...rest]: readonly ConfigError[]): void {
  if (first === undefined) return;
  throw gathered(first, rest);
}

const gathered = (first: ConfigError, rest: readonly ConfigError[]): ConfigError | PluginErrors =>
  rest.length === 0 ? first : new PluginErrors([first, ...rest]);

export function loadError(
  { name, place }: Pick<PluginLine, 'name' | 'place'>,
  problem: string,
  cause?: unknown,
  remedy?: string,
): ConfigError {
  const code = lastingCode(cause) ?? 'Q_PLUGIN_LOAD';
  const error = new ConfigError(place, `${name}: ${problem}`, remedy, code);
  error.cause = cause;
  return error;
}

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

function readOptions(definition: PluginDefinition, line: PluginLine) {
  const own = definition.options ?? NO_OPTIONS;
  // A plugin in JavaScript may give any value; taken for `skip`, it would let mail pass unchecked.
  if (definition.onError !== undefined && !ON_ERROR.includes(definition.onError))
    throw loadError(line, `its \`onError\` must be ${ON_ERROR.join(' or ')}`);
  checkSkipsImmune(definition, line);
  for (const key of ['before', 'after'] as const)
    if (!isNames(definition[key])) throw loadError(line, `its \`${key}\` must be names of plugins`);
  const { rejects } = definition;
  const shapes = rejects === undefined ? [own, commonOptions] : [own, rejectOptions, commonOptions];
  const { positional = [], switches, rest } = definition;
  const raw = sortArguments(line, { shapes, positional, switches, rest });
  const { options, problems } = parseOptions(line, own, raw);
  const shared = parseOptions(line, commonOptions, without(raw, own));
  const refusal = rejects === undefined ? undefined : parseOptions(line, rejectOptions, without(raw, own));
  throwProblems([...problems, ...shared.problems, ...(refusal?.problems ?? [])]);
  const defaults = typeof rejects === 'function' ? rejects(options) : rejects;
  const { on_error = definition.onError, timeout } = shared.options;
  const timeoutMs = timeout === undefined ? undefined : timeout * 1_000;
  const settings: FindingSettings = { ...defaults, ...refusal?.options, on_error, timeoutMs };
  return { options, settings, loglevel: shared.options.loglevel };
}

/** A plugin may have an option of its own by the name of a shared one; the shared one then does not see the arguments. */
const without = (raw: ReturnType<typeof sortArguments>, own: OptionShape): ReturnType<typeof sortArguments> =>
  Object.fromEntries(Object.entries(raw).filter(([key]) => !Object.hasOwn(own.shape, key)));

/** `N` is the level itself, `+N` and `-N` are added to it. */
export function levelAdjustment(arg: string | undefined): ((level: LogLevel) => LogLevel) | undefined {
  if (arg === undefined) return undefined;
  const number = Number(arg);
  if (!/^[+-]/.test(arg)) return () => number as LogLevel;
  return (level) => Math.min(7, Math.max(0, level + number)) as LogLevel;
}

function checkHooks(hooks: unknown, line: PluginLine): void {
  if (typeof hooks !== 'object' || hooks === null || 'then' in hooks) {
    throw loadError(line, 'its `hooks` must be an object, or a function that returns one at once');
  }
  const { begins, ...own } = hooks as Hooks<unknown>;
  checkBegins(begins, own, line);
  for (const [name, hook] of Object.entries(own)) {
    checkHookName(name, line);
    if (hook !== undefined && typeof hook !== 'function')
      throw loadError(line, `hook ${name} is no function`);
  }
}

/** In hooks in which nothing is waited for it would never be called, and without the hook nobody would come for the work. */
function checkBegins(begins: unknown, hooks: Readonly<Record<string, unknown>>, line: PluginLine): void {
  if (begins === undefined) return;
  if (typeof begins !== 'object' || begins === null)
    throw loadError(line, 'its `begins` must be an object of functions by the names of hooks');
  for (const [name, begin] of Object.entries(begins)) {
    checkHookName(name, line);
    if (begin === undefined) continue;
    if (typeof begin !== 'function') throw loadError(line, `begins.${name} is no function`);
    if (UNAWAITED.has(name)) throw loadError(line, `begins.${name}: nobody is waited for in this hook`);
    if (hooks[name] === undefined) throw loadError(line, `begins.${name} has no hook ${name} beside it`);
  }
}

const UNAWAITED: ReadonlySet<string> = new Set([...ANNOUNCING_HOOKS, 'logging', 'config', 'post-fork']);

function checkHookName(name: string, line: PluginLine): void {
  if ((HOOK_NAMES as readonly string[]).includes(name)) return;
  const meant = nearest(name, HOOK_NAMES);
  throw loadError(line, `Invalid hook: ${name}${meant === undefined ? '' : `, did you mean ${meant}?`}`);
}

const isNames = (names: unknown): boolean =>
  names === undefined || (Array.isArray(names) && names.every((name) => typeof name === 'string'));

/** A plugin in JavaScript may give any value; with a misspelt name, clients would be refused that are to be spared. */
function checkSkipsImmune({ skipsImmune }: PluginDefinition, line: PluginLine): void {
  if (skipsImmune === undefined || skipsImmune === true) return;
  if (!Array.isArray(skipsImmune)) throw loadError(line, 'its `skipsImmune` must be true or names of hooks');
  for (const name of skipsImmune) checkHookName(name, line);
}
