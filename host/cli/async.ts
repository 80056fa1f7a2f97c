/** The program `qpsmtpd-async`: the options of the Perl program of that name, the pollserver, mapped onto `serve`. */

import { listenSpecs, parseListen } from '../intake/listen-spec.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { serve } from '../process/serve.ts';
import type { ServeOptions, Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  refusePositionals,
  type OptionSpec,
  type RefusedOption,
} from './arguments.ts';
import { DEFAULT_PORT, GRACE_MS, userOf } from './forkserver.ts';
import { DETACH_HELP, MAX_WORKERS } from './serve-command.ts';

export const ASYNC_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'listen-address',
    short: 'l',
    value: 'ADDR[:PORT]',
    help: 'IP address to listen on, IPv6 in brackets (0.0.0.0)',
  },
  { name: 'port', short: 'p', value: 'PORT', help: 'port of an address without one (2525)' },
  {
    name: 'user',
    short: 'u',
    value: 'USER',
    help: 'run as this user (default: the current one; for root: smtpd)',
  },
  { name: 'procs', short: 'j', value: 'N', help: 'processes that serve (1)' },
  { name: 'pid-file', value: 'FILE', help: 'write the pid here and refuse to run twice; absolute path' },
  { name: 'detach', short: 'd', help: DETACH_HELP },
  HELP_OPTION,
];

export const ASYNC_REFUSED: readonly RefusedOption[] = [
  {
    name: 'config-port',
    value: 'PORT',
    instead:
      'a port on which anybody of this host may pause or stop the daemon is not opened; send signals, and look at the log',
  },
  { name: 'use-poll', instead: 'Node takes the best that the system has by itself; leave it out' },
  {
    name: 'verbose',
    short: 'v',
    instead: 'set the file "loglevel" of the configuration to LOGINFO or LOGDEBUG',
  },
];

export const ASYNC_HELP = printHelp(
  'qpsmtpd-async [options]',
  'Runs qpsmtpd with the options of the Perl program of this name, in one process.',
  ASYNC_OPTIONS,
);

const DEFAULT_ADDRESS = '0.0.0.0';

export function readAsyncOptions(args: readonly string[]): ServeOptions | 'help' {
  const given = readArguments(args, ASYNC_OPTIONS, ASYNC_REFUSED);
  if (given.has('help')) return 'help';
  refusePositionals(given);
  const port = given.count('port', 0, 65_535) ?? DEFAULT_PORT;
  const listen = listenSpecs([given.text('listen-address') ?? DEFAULT_ADDRESS], [port]);
  listen.forEach(parseListen);
  return {
    listen,
    isListenTacit: !given.has('listen-address') && !given.has('port'),
    workers: given.count('procs', 1, MAX_WORKERS) ?? 1,
    pidFile: given.text('pid-file'),
    graceMs: GRACE_MS,
    user: userOf(given),
    isDetached: given.has('detach'),
  };
}

export async function qpsmtpdAsync(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const options = readAsyncOptions(args);
  if (options !== 'help') return serve(options, loader, terminal);
  terminal.out(ASYNC_HELP);
  return 0;
}
