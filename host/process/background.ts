/** `--detach`: the daemon goes on in the background, and the program that was called ends with what became of the start. */

import { setTimeout as wait } from 'node:timers/promises';
import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { PassedSockets } from '../intake/passed-sockets.ts';
import { silence } from '../observe/logger.ts';
import { heldSignals } from './held-signals.ts';
import { ExitCode } from './exit-code.ts';
import { awaitReady, launch } from './launch.ts';
import type { ServeOptions, Terminal } from './serve-options.ts';

/** How long the last lines of a daemon that is ready are waited for. */
const LAST_LINES_MS = 2_000;

/**
 * Returns 0 as soon as the daemon is ready, else the exit code of the daemon, which has printed why. Throws `Q_USAGE` for what only
 * the process that was called has.
 */
export async function runInBackground(options: ServeOptions, terminal: Terminal): Promise<number> {
  refuseDescriptors(options);
  // systemd means this process, which is about to end; the daemon that goes on feeds the watchdog.
  if (Number(process.env['WATCHDOG_PID']) === process.pid) delete process.env['WATCHDOG_PID'];
  const daemon = launch('background', { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], isDetached: true });
  // A signal that ends this process before the daemon is ready is meant for the daemon.
  heldSignals.deliverTo((signal) => void daemon.kill(signal));
  daemon.stdout?.pipe(process.stdout);
  daemon.stderr?.pipe(process.stderr);
  // With the pipes: what the daemon has written before it let go of them is printed.
  const closed = new Promise((resolve) => daemon.once('close', resolve));
  const failure = await awaitReady(daemon);
  if (failure === undefined) {
    await Promise.race([Promise.all([ended(daemon.stdout), ended(daemon.stderr)]), wait(LAST_LINES_MS)]);
    if (isLogLost(options.configDir)) terminal.err(LOG_IS_LOST);
    return ExitCode.OK;
  }
  await closed;
  return failure.exitCode;
}

/** The daemon has other descriptors than the process that was called: at their numbers it would find something else. */
function refuseDescriptors({ listen, isListenTacit, readyDescriptor }: ServeOptions): void {
  const refused = (what: string): QpsmtpdError =>
    new QpsmtpdError(
      'Q_USAGE',
      `--detach: ${what} of the process that is called (leave --detach out: its starter watches over it)`,
    );
  if (readyDescriptor !== undefined) throw refused(`--ready-fd ${readyDescriptor} is a descriptor`);
  const passed = listen.find((spec) => /^fd(?:name)?$/.test(parseListen(spec).kind));
  if (passed !== undefined) throw refused(`${passed} is a socket`);
  const { names } = PassedSockets.take(process.env);
  if (isListenTacit === true && names.length > 0) throw refused('the sockets that were passed are those');
}

const LOG_IS_LOST =
  'the log goes to the standard error stream, which is closed now: name a plugin such as logging/file or logging/syslog in "logging"';

/** Plugins that write to the standard error stream, some of them if they get no path. */
const TO_ERROR_STREAM =
  /^logging\/(?:(?:warn|adaptive|connection_id|transaction_id)(?:\s|$)|(?:json|apache)(?:\s[^/]*)?$)/;

/** True if no line of the configuration puts the log anywhere else. */
function isLogLost(configDir: string | undefined): boolean {
  const config = new ConfigDirectory({ directories: openSearchPath(configDir), log: silence, watch: false });
  try {
    const plugins = config.lines('plugins').filter((line) => line.startsWith('logging/'));
    return [...config.lines('logging'), ...plugins].every((line) => TO_ERROR_STREAM.test(line));
  } finally {
    config.close();
  }
}

function ended(stream: NodeJS.ReadableStream | null): Promise<void> {
  return new Promise((resolve) => {
    if (stream === null) resolve();
    else stream.once('end', resolve);
  });
}
