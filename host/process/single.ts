/** The daemon in one process: no primary, no workers. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { LocalLedger } from './connection-ledger.ts';
import { DaemonLife, type DaemonCourse } from './daemon-life.ts';
import { drainDaemon, type Daemon, type DaemonLoader } from './daemon.ts';
import { ExitCode, exitCodeOf, explain } from './exit-code.ts';
import { FaultGuard, logOf } from './fault-guard.ts';
import { Heartbeat } from './heartbeat.ts';
import { dropPrivileges, mustDropTo } from './privileges.ts';
import { readyLine, type ServeOptions, type Standing, type Terminal } from './serve-options.ts';

/** Serves until a signal or too many faults end it; returns the exit code. Throws what keeps it from starting. */
export async function serveAlone(
  options: ServeOptions,
  loader: DaemonLoader,
  terminal: Terminal,
  standing: Standing,
): Promise<number> {
  let daemon: Daemon | undefined;
  let heart: Heartbeat | undefined;
  const course: DaemonCourse = {
    log: (level, text) => {
      if (daemon === undefined) terminal.err(text);
      else daemon.logger.log(level, text);
    },
    reload: async () => {
      if (daemon === undefined) return;
      await reloadIn(daemon);
      heart?.follow(daemon.workerTimeoutMs);
    },
    reopenLogs: () => daemon?.reopenLogs(),
    announceStop: () => daemon?.announceStop(),
    sockets: () => daemon?.sockets(),
    drain: (code, arePassedOn) => {
      // Before it serves there is nothing to drain.
      if (daemon === undefined) return Promise.resolve(code);
      return drainDaemon(daemon, options.graceMs, code, { isPrompt: code !== ExitCode.OK, arePassedOn });
    },
  };
  const life = new DaemonLife(course, options, standing);
  const lost = (error: Error): void => life.stop(exitCodeOf(error));
  const started = load(options, loader, lost).then(async (loaded) => {
    // Before it listens: the hook post-fork runs then.
    new FaultGuard(logOf(loaded), () => life.stop(ExitCode.SOFTWARE)).watch(process);
    const addresses = await loaded.listen();
    daemon = loaded;
    heart = new Heartbeat(logOf(loaded));
    heart.follow(loaded.workerTimeoutMs);
    loaded.logger.log(LogLevel.NOTICE, readyLine(addresses, 1));
    if (options.isQuiet !== true) terminal.out(readyLine(addresses, 1));
    await standing.ready(addresses);
    life.started();
  });
  await Promise.race([started, life.ended]);
  return life.ended;
}

async function load(
  options: ServeOptions,
  loader: DaemonLoader,
  onListenerLost: (error: Error) => void,
): Promise<Daemon> {
  const daemonOptions = { ...options, ledger: new LocalLedger(options.maxFromIp), onListenerLost };
  if (!mustDropTo(options.user)) return loader.load(daemonOptions);
  // Root binds, the user loads: the code of a plugin never runs as root.
  const bound = await loader.bind(daemonOptions);
  dropPrivileges(options.user);
  return loader.load(daemonOptions, bound);
}

async function reloadIn(daemon: Daemon): Promise<void> {
  try {
    await daemon.reload();
    daemon.logger.log(LogLevel.NOTICE, 'configuration read again');
  } catch (error) {
    daemon.logger.log(
      LogLevel.ERROR,
      `reload failed, the old configuration goes on serving: ${explain(error)}`,
    );
  }
}
