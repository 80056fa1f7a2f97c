/** The program `qpsmtpd-forkserver`: the options of the Perl program of that name, mapped onto `serve`. */

import { anyAddress, listenSpecs, parseListen } from '../intake/listen-spec.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { serve } from '../process/serve.ts';
import type { ServeOptions, Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  readCount,
  refusePositionals,
  type Arguments,
  type OptionSpec,
  type RefusedOption,
} from './arguments.ts';
import { defaultWorkers, DETACH_HELP, MAX_CONNECTIONS } from './serve-command.ts';

export const FORKSERVER_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'listen-address',
    short: 'l',
    value: 'ADDR[:PORT]',
    isRepeatable: true,
    help: 'IP address to listen on, IPv6 in brackets (default: every address)',
  },
  {
    name: 'port',
    short: 'p',
    value: 'PORT',
    isRepeatable: true,
    help: 'port of every address without one (2525)',
  },
  {
    name: 'user',
    short: 'u',
    value: 'USER',
    help: 'run as this user (default: the current one; for root: smtpd)',
  },
  { name: 'pid-file', value: 'FILE', help: 'write the pid here and refuse to run twice; absolute path' },
  { name: 'limit-connections', short: 'c', value: 'N', help: 'connections at a time (15)' },
  {
    name: 'max-from-ip',
    short: 'm',
    value: 'N',
    help: 'connections of one address at a time (5); 0: no limit',
  },
  { name: 'detach', short: 'd', help: DETACH_HELP },
  HELP_OPTION,
];

export const FORKSERVER_REFUSED: readonly RefusedOption[] = [
  {
    name: 'no-rdns',
    short: 'H',
    instead: 'it had no effect on the Perl program either; leave it out',
  },
];

export const FORKSERVER_HELP = printHelp(
  'qpsmtpd-forkserver [options]',
  'Runs qpsmtpd with the options of the Perl program of this name, with one worker per processor.',
  FORKSERVER_OPTIONS,
);

/** The user the Perl program runs as when root starts it. */
const USER_FOR_ROOT = 'smtpd';
export const DEFAULT_PORT = 2525;
const DEFAULT_CONNECTIONS = 15;
const DEFAULT_FROM_IP = 5;
export const GRACE_MS = 30_000;

export function readForkserverOptions(args: readonly string[]): ServeOptions | 'help' {
  const given = readArguments(args, FORKSERVER_OPTIONS, FORKSERVER_REFUSED);
  if (given.has('help')) return 'help';
  refusePositionals(given);
  const ports = given.texts('port').map((port) => readCount('port', port, 0, 65_535));
  const addresses = given.has('listen-address') ? given.texts('listen-address') : [anyAddress()];
  const listen = listenSpecs(addresses, ports.length === 0 ? [DEFAULT_PORT] : ports);
  listen.forEach(parseListen);
  return {
    listen,
    isListenTacit: !given.has('listen-address') && !given.has('port'),
    workers: defaultWorkers(),
    pidFile: given.text('pid-file'),
    graceMs: GRACE_MS,
    maxConnections: given.count('limit-connections', 1, MAX_CONNECTIONS) ?? DEFAULT_CONNECTIONS,
    maxFromIp: (given.count('max-from-ip', 0, MAX_CONNECTIONS) ?? DEFAULT_FROM_IP) || undefined,
    user: userOf(given),
    isDetached: given.has('detach'),
  };
}

/** Root is given up in any case. */
export function userOf(given: Arguments): string | undefined {
  return given.text('user') ?? (process.getuid?.() === 0 ? USER_FOR_ROOT : undefined);
}

export async function qpsmtpdForkserver(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const options = readForkserverOptions(args);
  if (options !== 'help') return serve(options, loader, terminal);
  terminal.out(FORKSERVER_HELP);
  return 0;
}
