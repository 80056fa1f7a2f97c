/** The program `qpsmtpd-prefork`: the options of the Perl program of that name, mapped onto `serve`. */

import { anyAddress, listenSpecs, parseListen } from '../intake/listen-spec.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { serve } from '../process/serve.ts';
import type { ServeOptions, Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  refusePositionals,
  UsageError,
  type OptionSpec,
  type RefusedOption,
} from './arguments.ts';
import { GRACE_MS } from './forkserver.ts';
import { version } from '../package/package-root.ts';
import { defaultWorkers, DETACH_HELP, MAX_CONNECTIONS } from './serve-command.ts';

const ADDRESS = { value: 'ADDR[:PORT]', isRepeatable: true } as const;

export const PREFORK_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'listen-address',
    ...ADDRESS,
    help: 'IP address to listen on, IPv6 in brackets (default: every address)',
  },
  { name: 'interface', ...ADDRESS, help: 'the same as --listen-address' },
  { name: 'port', value: 'PORT', help: 'port of every address without one (25)' },
  { name: 'children', value: 'N', help: 'connections at a time (15)' },
  {
    name: 'max-from-ip',
    value: 'N',
    help: 'connections of one address at a time (10); 0: as many as --children',
  },
  { name: 'user', value: 'USER', help: 'run as this user; must be given' },
  { name: 'pid-file', value: 'FILE', help: 'write the pid here and refuse to run twice; absolute path' },
  { name: 'quiet', help: 'do not print where the daemon listens' },
  { name: 'detach', help: DETACH_HELP },
  { name: 'version', help: 'print the version' },
  HELP_OPTION,
];

export const PREFORK_REFUSED: readonly RefusedOption[] = [
  {
    name: 'idle-children',
    value: 'N',
    instead: 'there are no idle children; one worker per processor serves all connections',
  },
  { name: 'pretty-child', instead: 'there are no child processes per connection to be named' },
  {
    name: 'renice-parent',
    value: 'N',
    instead: 'run the daemon under nice, or set Nice= in its systemd unit',
  },
  { name: 'debug', instead: 'set the file "loglevel" of the configuration to LOGDEBUG' },
];

export const PREFORK_HELP = printHelp(
  'qpsmtpd-prefork --user USER [options]',
  'Runs qpsmtpd with the options of the Perl program of this name, with one worker per processor.',
  PREFORK_OPTIONS,
);

const DEFAULT_PORT = 25;
const DEFAULT_CHILDREN = 15;
const DEFAULT_FROM_IP = 10;

export function readPreforkOptions(args: readonly string[]): ServeOptions | 'help' | 'version' {
  const given = readArguments(args, PREFORK_OPTIONS, PREFORK_REFUSED);
  if (given.has('help')) return 'help';
  if (given.has('version')) return 'version';
  refusePositionals(given);
  const user = given.text('user');
  if (user === undefined)
    throw new UsageError('--user must be given: the daemon does not choose whom to run as');
  const addresses = [...given.texts('listen-address'), ...given.texts('interface')];
  const port = given.count('port', 0, 65_535) ?? DEFAULT_PORT;
  const listen = listenSpecs(addresses.length === 0 ? [anyAddress()] : addresses, [port]);
  listen.forEach(parseListen);
  const maxConnections = given.count('children', 1, MAX_CONNECTIONS) ?? DEFAULT_CHILDREN;
  const maxFromIp = given.count('max-from-ip', 0, MAX_CONNECTIONS) ?? DEFAULT_FROM_IP;
  return {
    listen,
    isListenTacit: addresses.length === 0 && !given.has('port'),
    workers: defaultWorkers(),
    pidFile: given.text('pid-file'),
    graceMs: GRACE_MS,
    maxConnections,
    maxFromIp: maxFromIp || maxConnections,
    user,
    isQuiet: given.has('quiet'),
    isDetached: given.has('detach'),
  };
}

export async function qpsmtpdPrefork(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const options = readPreforkOptions(args);
  if (typeof options === 'object') return serve(options, loader, terminal);
  terminal.out(options === 'help' ? PREFORK_HELP : `Qpsmtpd Daemon - version ${version}`);
  return 0;
}
