/** The life of a worker: one SMTP server on the sockets that its primary holds. */

import cluster from 'node:cluster';
import { LocalLedger, type ConnectionLedger, WorkerLedger } from './connection-ledger.ts';
import { drainDaemon, type Daemon, type DaemonLoader } from './daemon.ts';
import { ExitCode, exitCodeOf, explain } from './exit-code.ts';
import { FaultGuard, logOf } from './fault-guard.ts';
import { Heartbeat } from './heartbeat.ts';
import { heldSignals } from './held-signals.ts';
import { readPrimaryMessage, tell } from './ipc-messages.ts';
import { leaveTerminal } from './parent.ts';
import { dropPrivileges } from './privileges.ts';
import type { ServeOptions } from './serve-options.ts';
import { receiveInWorker } from './signals.ts';

/** Serves until TERM or QUIT, the loss of the primary or too many faults end it; returns the exit code. */
export async function runWorker(options: ServeOptions, loader: DaemonLoader): Promise<number> {
  const life = new WorkerLife(options.graceMs);
  const ledger = chooseLedger(options);
  const handlers = {
    stop: () => life.end(ExitCode.OK),
    stopNow: () => process.exit(ExitCode.OK),
    reopenLogs: () => life.reopenLogs(),
  };
  heldSignals.deliverTo((signal) => receiveInWorker(signal, handlers));
  listenToPrimary(life, ledger);
  try {
    // The primary binds on behalf of its workers, so a worker needs root for nothing at all.
    dropPrivileges(options.user);
    const daemon = await loader.load({
      ...options,
      maxConnections: shareOf(options),
      ledger,
      onListenerLost: (error) => life.end(exitCodeOf(error)),
    });
    // Before it listens: the hook post-fork runs then.
    new FaultGuard(logOf(daemon), () => life.end(ExitCode.SOFTWARE)).watch(process);
    const addresses = await daemon.listen();
    life.serve(daemon);
    const heart = new Heartbeat(logOf(daemon), () => void tell({ qpsmtpd: 'beat' }));
    void tell({ qpsmtpd: 'ready', addresses, silenceMs: heart.follow(daemon.workerTimeoutMs) });
  } catch (error) {
    await tell({ qpsmtpd: 'failed', exitCode: exitCodeOf(error), text: explain(error) });
    return exitCodeOf(error);
  }
  return life.ended;
}

/** What one worker serves of the connections that all of them together may serve. */
export function shareOf({ maxConnections, workers }: ServeOptions): number | undefined {
  return maxConnections === undefined ? undefined : Math.ceil(maxConnections / workers);
}

/** Without a limit the count of other workers is not needed, and no connection waits for the primary. */
function chooseLedger({ maxFromIp }: ServeOptions): ConnectionLedger {
  return maxFromIp === undefined
    ? new LocalLedger(undefined)
    : new WorkerLedger((message) => void tell(message));
}

function listenToPrimary(life: WorkerLife, ledger: ConnectionLedger): void {
  process.on('message', (raw: unknown) => {
    const message = readPrimaryMessage(raw);
    switch (message?.qpsmtpd) {
      case 'reopen-logs':
        life.reopenLogs();
        break;
      case 'leave-terminal':
        leaveTerminal();
        break;
      case 'announce-stop':
        life.announceStop();
        break;
      case 'admission':
        if (ledger instanceof WorkerLedger) ledger.answer(message.id, message);
        break;
    }
  });
  cluster.worker?.on('disconnect', () => {
    // Told that it left by itself, the cluster module does not end the process at once: transactions may end.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    if (ledger instanceof WorkerLedger) ledger.close();
    life.end(ExitCode.OK);
  });
}

/** Runs until told to end, and drains before it does. */
class WorkerLife {
  readonly ended: Promise<number>;
  readonly #graceMs: number;
  #settle: ((code: number) => void) | undefined;
  #daemon: Daemon | undefined;
  #isEnding = false;
  #mustReopenLogs = false;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  serve(daemon: Daemon): void {
    this.#daemon = daemon;
    if (this.#mustReopenLogs) daemon.reopenLogs();
  }

  announceStop(): void {
    this.#daemon?.announceStop();
  }

  /** During the start it is done after it. */
  reopenLogs(): void {
    if (this.#daemon === undefined) this.#mustReopenLogs = true;
    else this.#daemon.reopenLogs();
  }

  /** The first call counts. Before the worker serves there is nothing to drain. */
  end(code: number): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const daemon = this.#daemon;
    if (daemon === undefined) process.exit(code);
    // Its first step closes the sockets, so what the primary is told next is true already.
    const drained = drainDaemon(daemon, this.#graceMs, code);
    void tell({ qpsmtpd: 'leaving' });
    void drained.then((outcome) => this.#settle?.(outcome));
  }
}
