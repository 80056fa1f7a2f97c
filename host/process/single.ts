/** The daemon in one process: no primary, no workers. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { LocalLedger } from './connection-ledger.ts';
import { drainDaemon, type Daemon, type DaemonLoader } from './daemon.ts';
import { ExitCode, exitCodeOf, explain } from './exit-code.ts';
import { FaultGuard, logOf } from './fault-guard.ts';
import { Heartbeat } from './heartbeat.ts';
import { heldSignals } from './held-signals.ts';
import { dropPrivileges, mustDropTo } from './privileges.ts';
import { SerialTask } from './serial-task.ts';
import { readyLine, type ServeOptions, type Terminal } from './serve-options.ts';
import { DaemonSignals } from './signals.ts';

/** Serves until a signal or too many faults end it; returns the exit code. Throws what keeps it from starting. */
export async function serveAlone(
  options: ServeOptions,
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  let daemon: Daemon | undefined;
  let end: (code: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  let isStopping = false;
  const stop = (code: number): void => {
    if (isStopping) return;
    isStopping = true;
    signals.stopping();
    // Before it serves there is nothing to drain.
    if (daemon === undefined) end(code);
    else void drain(daemon, options.graceMs, code).then(end);
  };
  let heart: Heartbeat | undefined;
  const reload = new SerialTask(async () => {
    if (daemon === undefined) return;
    await reloadIn(daemon);
    heart?.follow(daemon.workerTimeoutMs);
  });
  const signals = new DaemonSignals({
    stop: () => stop(ExitCode.OK),
    stopNow: () => end(ExitCode.OK),
    reload: () => reload.request(),
    reopenLogs: () => daemon?.reopenLogs(),
    note: (text) => (daemon === undefined ? terminal.err(text) : daemon.logger.log(LogLevel.NOTICE, text)),
  });
  heldSignals.deliverTo((signal) => signals.receive(signal));

  const lost = (error: Error): void => stop(exitCodeOf(error));
  const started = load(options, loader, lost).then(async (loaded) => {
    // Before it listens: the hook post-fork runs then.
    new FaultGuard(logOf(loaded), () => stop(ExitCode.SOFTWARE)).watch(process);
    const addresses = await loaded.listen();
    daemon = loaded;
    heart = new Heartbeat(logOf(loaded));
    heart.follow(loaded.workerTimeoutMs);
    loaded.logger.log(LogLevel.NOTICE, readyLine(addresses, 1));
    if (options.isQuiet !== true) terminal.out(readyLine(addresses, 1));
    signals.started();
  });
  await Promise.race([started, ended]);
  return ended;
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

function drain(daemon: Daemon, graceMs: number, code: number): Promise<number> {
  daemon.logger.log(LogLevel.NOTICE, `stopping: transactions have ${graceMs / 1000} s to end`);
  return drainDaemon(daemon, graceMs, code);
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
