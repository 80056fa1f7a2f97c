/** The primary: binds and holds the sockets and watches over the workers. It reads no configuration and runs no plugin. */

import cluster from 'node:cluster';
import { chmodSync } from 'node:fs';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { Logger } from '../observe/logger.ts';
import { DaemonLife, type DaemonCourse } from './daemon-life.ts';
import { ExitCode, explain, type WorkerFailure } from './exit-code.ts';
import { FaultGuard } from './fault-guard.ts';
import { dropPrivileges } from './privileges.ts';
import { readyLine, type ServeOptions, type Standing, type Terminal } from './serve-options.ts';
import { inheritance } from './succession.ts';
import { HeldSockets } from '../intake/held-sockets.ts';
import { parent } from './parent.ts';
import { SharedLedger } from './connection-ledger.ts';
import { WorkerPool } from './worker-pool.ts';

/** Runs the workers until a signal ends them; returns the exit code. Throws what keeps the first from starting. */
export async function servePrimary(
  options: ServeOptions,
  terminal: Terminal,
  standing: Standing,
): Promise<number> {
  const held = HeldSockets.bind(options.listen);
  // Nothing needs root from here on, and workers are the user's from their first instruction.
  if (held !== undefined) dropPrivileges(options.user);
  const logger = new Logger(LogLevel.NOTICE, (line) => terminal.err(line));
  const pool = createPool(options, logger, standing, held, (failure) => {
    logger.log(LogLevel.CRIT, `no worker is left and none can listen again: ${failure.message}`);
    life.end(failure.exitCode);
  });
  const course: DaemonCourse = {
    log: (level, text) => logger.log(level, text),
    reload: () => reloadIn(pool, logger),
    reopenLogs: () => {
      logger.log(LogLevel.NOTICE, 'every worker is told to open its log files again');
      pool.reopenLogs();
    },
    announceStop: () => pool.announceStop(),
    sockets: () => held?.sockets,
    drain: async (code, arePassedOn) => {
      // Clients would wait in there for a worker.
      void pool.deaf.then(() => held?.close(arePassedOn));
      await pool.stop();
      return code;
    },
    abandon: () => pool.killAll(),
  };
  const life = new DaemonLife(course, options, standing);

  const started = pool.start().then(async (addresses) => {
    if (addresses === undefined) return;
    new FaultGuard(logger, () => life.stop(ExitCode.SOFTWARE)).watch(process);
    logger.log(LogLevel.NOTICE, readyLine(addresses, options.workers));
    if (options.isQuiet !== true) terminal.out(readyLine(addresses, options.workers));
    if (parent.role === 'background') pool.leaveTerminal();
    await standing.ready(addresses, () => pool.isAlive);
    life.started();
  });
  await Promise.race([started, life.ended]);
  return life.ended;
}

function createPool(
  options: ServeOptions,
  logger: Logger,
  standing: Standing,
  held: HeldSockets | undefined,
  onLost: (failure: WorkerFailure) => void,
): WorkerPool {
  // Every worker accepts by itself: a connection costs the primary nothing.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const passed = inheritance(held?.sockets ?? []);
  cluster.setupPrimary({ stdio: passed.stdio, execArgv: workerOptions() });
  return new WorkerPool({
    size: options.workers,
    fork: () => cluster.fork({ ...passed.environment, ...standing.environment }),
    ledger: new SharedLedger(options.maxFromIp),
    logger,
    graceMs: options.graceMs,
    afterFirstReady: () => {
      if (held !== undefined) return;
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
function workerOptions(): string[] {
  const option = '--disable-sigusr1';
  const isOurs = process.allowedNodeEnvironmentFlags.has(option) && !process.execArgv.includes(option);
  return isOurs ? [...process.execArgv, option] : process.execArgv;
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
