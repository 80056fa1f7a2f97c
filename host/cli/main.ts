/** The program `qpsmtpd`: finds the subcommand. */

import type { DaemonLoader } from '../process/daemon.ts';
import { ExitCode } from '../process/exit-code.ts';
import type { Terminal } from '../process/serve-options.ts';
import { HELP_OPTION, readArguments, refusePositionals, UsageError, type OptionSpec } from './arguments.ts';
import { suggest } from '../../bindings/lists/nearest.ts';
import { version } from '../package/package-root.ts';
import { isStartedForClient } from '../package/client-descriptors.ts';
import type { FoundCommand } from './command-of-plugin.ts';

type Run = (args: readonly string[], loader: DaemonLoader, terminal: Terminal) => Promise<number>;

/** Loaded when it is asked for: each process of `serve` would otherwise load the spool, the store and the plugin API first. */
const COMMANDS: ReadonlyMap<string, () => Promise<Run>> = new Map([
  ['serve', async () => (await import('./serve-command.ts')).runServe],
  ['check', async () => (await import('./check-command.ts')).runCheck],
  ['sample', async () => (await import('./sample-command.ts')).runSample],
  ['plugin', async () => (await import('./plugin-command.ts')).runPlugin],
  ['queue', async () => (await import('./queue-command.ts')).runQueue],
  ['store', async () => (await import('./store-command.ts')).runStore],
  ['dkim-key', async () => (await import('./dkim-key-command.ts')).runDkimKey],
  ['tls-cert', async () => (await import('./tls-cert-command.ts')).runTlsCert],
]);

/** Plugins of the server that bring a command of their name. */
export const COMMAND_PLUGINS: readonly string[] = ['dmarc', 'karma', 'tls_reports'];

/** Loaded when it is asked for: the other commands do without plugins and what they are given. */
const commandsOfPlugins = () => import('./command-of-plugin.ts');

const TOP_OPTIONS: readonly OptionSpec[] = [{ name: 'version', help: 'print the version' }, HELP_OPTION];

export const TOP_HELP = `usage: qpsmtpd COMMAND [options]

commands:
  serve          run the daemon
  check          say whether a configuration would start
  sample         run a daemon to try out (npm start)
  plugin         write, test and list plugins
  dmarc          see what is reported to the domains
  karma          look into what the plugin karma remembers
  tls_reports    see what is reported to the domains
  queue          look into the spool of queue/spool, and change it
  store          take over the databases of the Perl daemon
  dkim-key       make a key for DKIM signatures
  tls-cert       make a certificate for TLS
  help COMMAND   the options of a command

options:
      --version  print the version
  -h, --help     print this text`;

export async function qpsmtpd(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) return serveStarter(loader, terminal);
  if (name === 'help') return printHelpOf(rest, loader, terminal);
  const load = COMMANDS.get(name);
  if (load !== undefined) return (await load())(rest, loader, terminal);
  if (!name.startsWith('-')) {
    const found = await requireCommand(name, rest);
    return (await commandsOfPlugins()).runCommand(found, rest, terminal);
  }
  const given = readArguments(args, TOP_OPTIONS);
  refusePositionals(given);
  terminal.out(given.has('version') ? `qpsmtpd ${version}` : TOP_HELP);
  return ExitCode.OK;
}

/** As the Perl program of this name: from inetd or tcpserver it serves the client on descriptor 0. For others there is nothing to do. */
async function serveStarter(loader: DaemonLoader, terminal: Terminal): Promise<number> {
  if (isStartedForClient())
    return (await import('./serve-command.ts')).runServe(['--listen', 'stdin:'], loader, terminal);
  terminal.err(TOP_HELP);
  return ExitCode.USAGE;
}

async function printHelpOf(
  [name, ...rest]: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  if (rest.length > 0) throw new UsageError('help takes one command');
  const load = name === undefined ? undefined : COMMANDS.get(name);
  if (load !== undefined) return (await load())(['--help'], loader, terminal);
  terminal.out(
    name === undefined ? TOP_HELP : (await commandsOfPlugins()).helpOf(await requireCommand(name, [])),
  );
  return ExitCode.OK;
}

async function requireCommand(name: string, args: readonly string[]): Promise<FoundCommand> {
  const found = await (await commandsOfPlugins()).findCommand(name, args);
  if (found !== undefined) return found;
  const hint = suggest(name, [...COMMANDS.keys(), ...COMMAND_PLUGINS, 'help']);
  throw new UsageError(`"${name}" is no command of qpsmtpd${hint}; see qpsmtpd --help`);
}
