/** The primary: holds the sockets and watches over the workers. It reads no configuration and runs no plugin. */

import cluster from 'node:cluster';
import { chmodSync } from 'node:fs';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { Logger } from '../observe/logger.ts';
import { ExitCode, explain, type WorkerFailure } from './exit-code.ts';
import { FaultGuard } from './fault-guard.ts';
import { heldSignals } from './held-signals.ts';
import { dropPrivileges } from './privileges.ts';
import { SerialTask } from './serial-task.ts';
import { readyLine, type ServeOptions, type Terminal } from './serve-options.ts';
import { SharedLedger } from './connection-ledger.ts';
import { DaemonSignals } from './signals.ts';
import { WorkerPool } from './worker-pool.ts';

/**
 * Runs the workers until a signal ends them; returns the exit code. Throws what keeps the first from starting.
 * `environment`: what workers have in theirs besides that of this process.
 */
export async function servePrimary(
  options: ServeOptions,
  terminal: Terminal,
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const logger = new Logger(LogLevel.NOTICE, (line) => terminal.err(line));
  let end: (code: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  const pool = createPool(options, logger, environment, (failure) => {
    logger.log(LogLevel.CRIT, `no worker is left and none can listen again: ${failure.message}`);
    end(failure.exitCode);
  });
  const reload = new SerialTask(() => reloadIn(pool, logger));
  let isStopping = false;
  const stop = (code: number): void => {
    if (isStopping) return;
    isStopping = true;
    signals.stopping();
    logger.log(LogLevel.NOTICE, `stopping: transactions have ${options.graceMs / 1000} s to end`);
    void pool.stop().then(() => end(code));
  };
  const signals = new DaemonSignals({
    stop: () => stop(ExitCode.OK),
    stopNow: () => {
      pool.killAll();
      end(ExitCode.OK);
    },
    reload: () => reload.request(),
    reopenLogs: () => {
      logger.log(LogLevel.NOTICE, 'every worker is told to open its log files again');
      pool.reopenLogs();
    },
    note: (text) => logger.log(LogLevel.NOTICE, text),
  });
  heldSignals.deliverTo((signal) => signals.receive(signal));

  const started = pool.start().then((addresses) => {
    if (addresses === undefined) return;
    new FaultGuard(logger, () => stop(ExitCode.SOFTWARE)).watch(process);
    logger.log(LogLevel.NOTICE, readyLine(addresses, options.workers));
    if (options.isQuiet !== true) terminal.out(readyLine(addresses, options.workers));
    signals.started();
  });
  await Promise.race([started, ended]);
  return ended;
}

function createPool(
  options: ServeOptions,
  logger: Logger,
  environment: Readonly<Record<string, string>>,
  onLost: (failure: WorkerFailure) => void,
): WorkerPool {
  // Every worker accepts by itself: a connection costs the primary nothing.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  keepInspectorShutInWorkers();
  return new WorkerPool({
    size: options.workers,
    fork: () => cluster.fork(environment),
    ledger: new SharedLedger(options.maxFromIp),
    logger,
    graceMs: options.graceMs,
    afterFirstReady: () => {
      setSocketModes(options.listen);
      // A worker may ask its primary to bind any address or path: as root that would be a way to root.
      dropPrivileges(options.user);
    },
    onLost,
  });
}

/**
 * Newer versions of Node can be told to leave USR1 alone, also while a worker has not run a line of ours yet. Such a worker
 * does not hear USR1 at all, because Node blocks the signal before it knows the option: the primary passes it on.
 */
function keepInspectorShutInWorkers(): void {
  const option = '--disable-sigusr1';
  if (!process.allowedNodeEnvironmentFlags.has(option) || process.execArgv.includes(option)) return;
  cluster.setupPrimary({ execArgv: [...process.execArgv, option] });
}

/** The primary owns the files of Unix sockets, so their permissions are its to set. */
function setSocketModes(listen: readonly string[]): void {
  for (const spec of listen.map(parseListen)) {
    if (spec.kind === 'unix') chmodSync(spec.path, spec.mode);
  }
}

async function reloadIn(pool: WorkerPool, logger: Logger): Promise<void> {
  logger.log(LogLevel.NOTICE, 'reload: exchanging the workers one by one');
  try {
    await pool.replaceAll();
    logger.log(LogLevel.NOTICE, 'reload: done');
  } catch (error) {
    logger.log(LogLevel.ERROR, `reload failed, the old workers go on serving: ${explain(error)}`);
  }
}
