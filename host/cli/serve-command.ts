/** `qpsmtpd serve`: runs the daemon. */

import { availableParallelism } from 'node:os';
import type { PlacedLine } from '../../bindings/lists/placed-line.ts';
import { readConfigDir } from '../config/search-path.ts';
import { ConfigError, lastingCode } from '../errors/error-classes.ts';
import { requireFront } from '../fronts/http/http-acceptor.ts';
import { anyAddress, listenSpecs, parseListen } from '../intake/listen-spec.ts';
import { silence } from '../observe/logger.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { guardClient } from '../process/one-client.ts';
import type { ServeOptions, Terminal } from '../process/serve-options.ts';
import { serve } from '../process/serve.ts';
import { Settings } from '../settings/settings.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  refusePositionals,
  UsageError,
  type OptionSpec,
  type Arguments,
} from './arguments.ts';
import { openCommandConfig } from './service-option.ts';

/** qpsmtpd's default port. */
const DEFAULT_PORT = 2525;
const DEFAULT_GRACE_SECONDS = 30;
export const MAX_WORKERS = 256;
export const DETACH_HELP = 'go on in the background; ends with 0 as soon as the daemon is ready';
export const MAX_CONNECTIONS = 1_000_000;

export const CONFIG_OPTION: OptionSpec = {
  name: 'config',
  value: 'DIR',
  help: 'configuration directory (default: $QPSMTPD_CONFIG); what it lacks is looked for in "config" of this package and in $QMAIL/control (/var/qmail)',
};

export const SERVE_OPTIONS: readonly OptionSpec[] = [
  CONFIG_OPTION,
  {
    name: 'listen',
    value: 'SPEC',
    isRepeatable: true,
    help: 'tcp://ADDRESS:PORT, unix:/PATH, fd:N, fdname:NAME, stdin: or http://ADDRESS:PORT, then options such as " tls=implicit", " proxy=required" or " service=NAME" (default: the file listeners, else the sockets that systemd has passed, else port 2525 on every address)',
  },
  { name: 'workers', value: 'N', help: 'processes that serve (default: one per processor)' },
  { name: 'pid-file', value: 'FILE', help: 'write the pid here and refuse to run twice; absolute path' },
  {
    name: 'ready-fd',
    value: 'N',
    help: 'write a line end to this descriptor once the daemon listens, and close it (s6: notification-fd)',
  },
  { name: 'grace', value: 'SECONDS', help: 'how long sessions may go on after TERM (default: 30)' },
  {
    name: 'drain-delay',
    value: 'SECONDS',
    help: 'after TERM go on accepting for so long, while health checks of proxies are told 421 (default: 0)',
  },
  { name: 'detach', short: 'd', help: DETACH_HELP },
  {
    name: 'max-connections',
    value: 'N',
    help: 'connections at a time; 0: no limit (default: that of max_connections)',
  },
  {
    name: 'max-from-ip',
    value: 'N',
    help: 'connections of one address at a time; 0: no limit (default: that of max_from_ip)',
  },
  {
    name: 'user',
    short: 'u',
    value: 'NAME',
    help: 'run as this user; root has to name one, and gives up root for it ("root" insists)',
  },
  HELP_OPTION,
];

const SERVE_HELP = printHelp(
  'qpsmtpd serve [options]',
  'Runs the daemon in the foreground. TERM stops it and lets transactions end, HUP reads the configuration again.',
  SERVE_OPTIONS,
);

/** `readDefaults` is asked for what the configuration says that the command line names. */
export function readServeOptions(
  args: readonly string[],
  readDefaults: (configDir: string | undefined) => ServeDefaults = () => NO_DEFAULTS,
): ServeOptions | 'help' {
  const given = readArguments(args, SERVE_OPTIONS);
  if (given.has('help')) return 'help';
  refusePositionals(given);
  refuseForOneClient(given);
  given.texts('listen').map(parseListen).forEach(requireFront);
  const configDir = readConfigDir(given.text('config'));
  const defaults = readDefaults(configDir);
  const configured =
    defaults.listen.length > 0 ? defaults.listen : listenSpecs([anyAddress()], [DEFAULT_PORT]);
  return {
    configDir,
    listen: given.has('listen') ? given.texts('listen') : configured,
    isListenTacit: !given.has('listen') && defaults.listen.length === 0,
    workers: given.count('workers', 1, MAX_WORKERS) ?? defaultWorkers(),
    pidFile: given.text('pid-file'),
    readyDescriptor: given.count('ready-fd', 3, 1_000_000),
    graceMs: (given.count('grace', 0, 3_600) ?? DEFAULT_GRACE_SECONDS) * 1_000,
    drainDelayMs: (given.count('drain-delay', 0, 3_600) ?? 0) * 1_000,
    isDetached: given.has('detach'),
    maxConnections: given.count('max-connections', 0, MAX_CONNECTIONS) ?? defaults.maxConnections,
    // 0 and undefined mean the same: no limit.
    maxFromIp: (given.count('max-from-ip', 0, MAX_CONNECTIONS) ?? defaults.maxFromIp) || undefined,
    user: given.text('user'),
  };
}

const MEANINGLESS_FOR_ONE_CLIENT = [
  'workers',
  'pid-file',
  'ready-fd',
  'detach',
  'drain-delay',
  'max-connections',
  'max-from-ip',
] as const;

function refuseForOneClient(given: Arguments): void {
  const kinds = given.texts('listen').map((spec) => parseListen(spec).kind);
  const option = MEANINGLESS_FOR_ONE_CLIENT.find((name) => given.has(name));
  if (option === undefined || !kinds.includes('stdin')) return;
  throw new UsageError(`--${option} makes no sense with stdin:, where a process serves one client`);
}

/** One per processor this process may use. */
export function defaultWorkers(): number {
  return Math.min(availableParallelism(), MAX_WORKERS);
}

export async function runServe(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  return guardClient(async () => {
    const options = readServeOptions(args, readServeDefaults);
    if (options !== 'help') return serve(options, loader, terminal);
    terminal.out(SERVE_HELP);
    return 0;
  });
}

/** What the configuration says of what the command line leaves open. */
export interface ServeDefaults {
  /** The lines of `listeners`; none: the command line or its default decides. */
  readonly listen: readonly string[];
  /** Undefined: what there is memory for. */
  readonly maxConnections: number | undefined;
  /** 0: no limit. */
  readonly maxFromIp: number;
}

export const NO_DEFAULTS: ServeDefaults = { listen: [], maxConnections: undefined, maxFromIp: 0 };

/**
 * Reads `listeners`, `max_connections` and `max_from_ip`, before the processes that are held to them start. Throws for a wrong
 * line of `listeners`; other mistakes are told when the configuration is loaded.
 */
export function readServeDefaults(configDir: string | undefined): ServeDefaults {
  const config = openCommandConfig(configDir);
  try {
    const { listeners, maxConnections, maxFromIp } = new Settings(config, silence).current;
    return { listen: listeners.map(checkListener), maxConnections, maxFromIp };
  } finally {
    config.close();
  }
}

function checkListener({ text, place }: PlacedLine): string {
  try {
    requireFront(parseListen(text));
    return text;
  } catch (error) {
    throw new ConfigError(place, (error as Error).message, undefined, lastingCode(error));
  }
}
