/**
 * `qpsmtpd plugin`: for authors of plugins, and to see which are loaded.
 *
 * `qpsmtpd plugin list`: which plugins a configuration loads, from where, with which options, at which hooks.
 */

import type { DaemonLoader, PluginDescription } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  UsageError,
  type OptionSpec,
  readArguments,
  refusePositionals,
} from './arguments.ts';
import { suggest } from '../../bindings/lists/nearest.ts';
import { PLUGIN_NEW_OPTIONS, runPluginNew } from './plugin-new.ts';
import { PLUGIN_TEST_OPTIONS, runPluginTest } from './plugin-test.ts';
import { HOOK_NAMES } from '../../bindings/plugin/hooks.ts';
import { Rehearsal } from '../errors/rehearsal.ts';
import { readConfigDir } from '../config/search-path.ts';
import { CONFIG_OPTION } from './serve-command.ts';
import { readService, SERVICE_OPTION } from './service-option.ts';

export const PLUGIN_LIST_OPTIONS: readonly OptionSpec[] = [
  { ...CONFIG_OPTION, help: `list: ${CONFIG_OPTION.help}` },
  { ...SERVICE_OPTION, help: `list: ${SERVICE_OPTION.help}` },
];

export async function runPluginList(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, PLUGIN_LIST_OPTIONS);
  refusePositionals(given);
  const service = readService(given);
  const rehearsal = new Rehearsal();
  const configDir = readConfigDir(given.text('config'));
  const daemon = await loader.load({
    configDir,
    listen: [],
    services: service === undefined ? [] : [service],
    rehearsal,
  });
  if (rehearsal.failure !== undefined) throw rehearsal.failure;
  const { services } = daemon.describe();
  const details = services.find((each) => each.service === service)?.plugins ?? [];
  if (details.length === 0) terminal.out('no plugin is loaded');
  else for (const line of [...details.flatMap(describe), '', ...order(details)]) terminal.out(line);
  // The plugins close what they have opened.
  await daemon.drain(0);
  return 0;
}

function describe(
  { name, about, file, options, before, after }: PluginDescription,
  index: number,
): readonly string[] {
  const shown = Object.entries(options).map(([key, value]) => `${key} ${value}`);
  return [
    `${String(index + 1).padStart(4)}  ${name}${shown.length === 0 ? '' : `  (${shown.join(', ')})`}`,
    `      ${about === '' ? 'no description' : about}`,
    ...(file === undefined ? [] : [`      ${file}`]),
    ...(before.length === 0 ? [] : [`      stands before ${before.join(', ')}`]),
    ...(after.length === 0 ? [] : [`      stands after ${after.join(', ')}`]),
  ];
}

/** One line for each hook that a plugin has, in the order of a session. */
function order(plugins: readonly PluginDescription[]): readonly string[] {
  const rows = HOOK_NAMES.map((hook) => [hook, plugins.filter(({ hooks }) => hooks.includes(hook))] as const);
  const asked = rows.filter(([, those]) => those.length > 0);
  const width = Math.max(...asked.map(([hook]) => hook.length), 0) + 2;
  return [
    'asked at each hook, in this order until one has an opinion:',
    ...asked.map(([hook, those]) => `  ${hook.padEnd(width)}${those.map(({ name }) => name).join(', ')}`),
  ];
}

type Run = (args: readonly string[], loader: DaemonLoader, terminal: Terminal) => Promise<number>;

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['new', runPluginNew],
  ['test', runPluginTest],
  ['list', runPluginList],
]);

export const PLUGIN_OPTIONS: readonly OptionSpec[] = [
  ...new Set([...PLUGIN_NEW_OPTIONS, ...PLUGIN_TEST_OPTIONS, ...PLUGIN_LIST_OPTIONS, HELP_OPTION]),
];

const PLUGIN_HELP = printHelp(
  'qpsmtpd plugin new NAME | test PATH... | list',
  `new   writes a plugin, its test and a dialogue into the working directory
test  plays the dialogues beside a plugin: NAME.txt and NAME.*.txt
list  shows the plugins of a configuration, their options, and which are asked at which hook in which order`,
  PLUGIN_OPTIONS,
);

export async function runPlugin(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = args;
  const command = COMMANDS.get(name ?? '');
  if (command !== undefined) return command(rest, loader, terminal);
  if (name === '--help' || name === '-h') {
    terminal.out(PLUGIN_HELP);
    return 0;
  }
  if (name === undefined) throw new UsageError('plugin: new, test or list? See qpsmtpd plugin --help');
  throw new UsageError(`"plugin ${name}" is no command of qpsmtpd${suggest(name, COMMANDS.keys())}`);
}
