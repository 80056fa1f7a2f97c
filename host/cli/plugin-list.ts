/** `qpsmtpd plugin list`: which plugins a configuration loads, from where, with which options, at which hooks. */

import { HOOK_NAMES } from '../../bindings/plugin/hooks.ts';
import type { DaemonLoader, PluginDescription } from '../process/daemon.ts';
import { Rehearsal } from '../errors/rehearsal.ts';
import type { Terminal } from '../process/serve-options.ts';
import { readArguments, refusePositionals, type OptionSpec } from './arguments.ts';
import { readConfigDir } from '../config/search-path.ts';
import { CONFIG_OPTION } from './serve-command.ts';

export const PLUGIN_LIST_OPTIONS: readonly OptionSpec[] = [
  { ...CONFIG_OPTION, help: `list: ${CONFIG_OPTION.help}` },
];

export async function runPluginList(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, PLUGIN_LIST_OPTIONS);
  refusePositionals(given);
  const rehearsal = new Rehearsal();
  const configDir = readConfigDir(given.text('config'));
  const daemon = await loader.load({ configDir, listen: [], rehearsal });
  if (rehearsal.failure !== undefined) throw rehearsal.failure;
  const { details = [] } = daemon.describe();
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
