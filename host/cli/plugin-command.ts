/** `qpsmtpd plugin`: for authors of plugins, and to see which are loaded. */

import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { HELP_OPTION, printHelp, UsageError, type OptionSpec } from './arguments.ts';
import { suggest } from '../hooks/nearest.ts';
import { PLUGIN_LIST_OPTIONS, runPluginList } from './plugin-list.ts';
import { PLUGIN_NEW_OPTIONS, runPluginNew } from './plugin-new.ts';
import { PLUGIN_TEST_OPTIONS, runPluginTest } from './plugin-test.ts';

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
