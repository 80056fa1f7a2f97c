/** `qpsmtpd NAME` where NAME is a plugin that brings a command. */

import { parseArgs } from 'node:util';
import { coreOfProcess } from '../../bindings/core.ts';
import type { CommandContext, PluginCommand, PluginDefinition } from '../../bindings/plugin/index.ts';
import { readConfigDir } from '../config/search-path.ts';
import { ProcessDns } from '../dns/process-dns.ts';
import { ConfigError, QpsmtpdError } from '../errors/error-classes.ts';
import { Rehearsal } from '../errors/rehearsal.ts';
import { loadDefinition } from '../hooks/plugin-loader.ts';
import { suggest } from '../../bindings/lists/nearest.ts';
import { silence } from '../observe/logger.ts';
import type { Terminal } from '../process/serve-options.ts';
import { makeServices } from '../services/services.ts';
import { Settings } from '../settings/settings.ts';
import { HELP_OPTION, printHelp, readArguments, UsageError, type OptionSpec } from './arguments.ts';
import { openConfiguredStore } from './configured-store.ts';
import { CONFIG_OPTION } from './serve-command.ts';
import { openCommandConfig, readService, SERVICE_OPTION } from './service-option.ts';

/** A command, and the plugin that brings it. */
export interface FoundCommand {
  readonly name: string;
  readonly command: PluginCommand;
}

/**
 * The command of the plugin `name`: of one that comes with the server, else of one in the `plugin_dirs` of the configuration
 * that `args` name. Undefined if no plugin of that name brings one.
 */
export async function findCommand(name: string, args: readonly string[]): Promise<FoundCommand | undefined> {
  const own = await definitionIn(name, []);
  if (own?.command !== undefined) return { name, command: own.command };
  const definition = await definitionIn(name, pluginDirs(args));
  return definition?.command === undefined ? undefined : { name, command: definition.command };
}

async function definitionIn(
  name: string,
  pluginDirs: readonly string[],
): Promise<PluginDefinition | undefined> {
  try {
    return await loadDefinition(name, pluginDirs, { file: `qpsmtpd ${name}` }, refuseRoot);
  } catch (error) {
    if (error instanceof ConfigError && NO_PLUGIN.has(error.code)) return undefined;
    throw error;
  }
}

/** There is no plugin of that name, or it is no name of a plugin at all. */
const NO_PLUGIN = new Set(['Q_PLUGIN_NOT_FOUND', 'Q_CONFIG']);

/** A user that may write into `plugin_dirs` would be root otherwise, as soon as root runs a command. */
function refuseRoot(path: string): void {
  if (process.getuid?.() !== 0) return;
  throw new QpsmtpdError(
    'Q_PRIVILEGES',
    `${path} is no plugin of this server, and no code of others runs as root (run it as the daemon's user)`,
  );
}

/** None where no configuration can be read: then the name is only unknown. */
function pluginDirs(args: readonly string[]): readonly string[] {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } }, strict: false });
  const { config: given } = values;
  try {
    const configDir = readConfigDir(typeof given === 'string' ? given : undefined);
    const config = openCommandConfig(configDir);
    try {
      return config.lines('plugin_dirs');
    } finally {
      config.close();
    }
  } catch (error) {
    if (given === undefined && error instanceof ConfigError) return [];
    throw error;
  }
}

export const optionsOf = ({ options = [] }: PluginCommand): readonly OptionSpec[] => [
  CONFIG_OPTION,
  SERVICE_OPTION,
  ...options,
  HELP_OPTION,
];

export const helpOf = ({ name, command }: FoundCommand): string =>
  printHelp(
    `qpsmtpd ${name} ${command.usage} [--config DIR] [--service NAME]`,
    command.help,
    optionsOf(command),
  );

export async function runCommand(
  found: FoundCommand,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { name, command } = found;
  const given = readArguments(args, optionsOf(command));
  if (given.has('help')) {
    terminal.out(helpOf(found));
    return 0;
  }
  const configDir = readConfigDir(given.text('config'));
  const service = readService(given);
  const config = openCommandConfig(configDir, service);
  const settings = new Settings(config, silence);
  const dns = new ProcessDns({ core: () => coreOfProcess().core, log: () => undefined });
  const asked = dns.under(() => settings.current);
  const services = makeServices(config.hostName, asked, (line) => terminal.err(line), new Rehearsal());
  const closings: (() => Promise<void>)[] = [];
  const context: CommandContext = {
    positionals: given.positionals,
    option: (option) => given.text(option),
    services,
    openStore(store) {
      const opened = openConfiguredStore(store, name, configDir, { service });
      closings.push(() => opened.close());
      return opened;
    },
    print: (line) => terminal.out(line),
    misuse: (problem, word, known = []) =>
      new UsageError(`${problem}${word === undefined ? '' : suggest(word, known)}`),
  };
  try {
    await command.run(context);
  } finally {
    for (const close of closings) await close();
    services.logs.close();
    dns.close();
    config.close();
  }
  return 0;
}
