/** The workers of a primary: starts them, replaces those that die, and exchanges all of them one by one. */

import type { Worker } from 'node:cluster';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Logger } from '../observe/logger.ts';
import { ExitCode, WorkerFailure } from './exit-code.ts';
import type { SharedLedger } from './connection-ledger.ts';
import { tellDeparture, WorkerProcess, type Departure } from './worker-process.ts';

export interface PoolOptions {
  readonly size: number;
  readonly fork: () => Worker;
  readonly ledger: SharedLedger;
  readonly logger: Logger;
  readonly graceMs: number;
  /** Called once, when the sockets exist: the moment to give up root. */
  readonly afterFirstReady?: () => void;
  /** Called when all workers are gone and the sockets cannot be opened again. */
  readonly onLost: (failure: WorkerFailure) => void;
  readonly backOff?: BackOffTimes;
  readonly readyTimeoutMs?: number;
}

/** One place in the pool, and the worker that has it. */
interface Slot {
  worker: WorkerProcess | undefined;
  readonly backOff: BackOff;
  timer: NodeJS.Timeout | undefined;
}

/** Silent deaths of the first worker after which a start has failed. */
const STARTS = 5;
const READY_TIMEOUT_MS = 60_000;
/** A drained worker closes the rest at the end of the grace period; a worker that is still there so long after is killed. */
const KILL_AFTER_GRACE_MS = 5_000;

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #slots: readonly Slot[];
  /** Every living worker, those that are starting or draining included. */
  readonly #all = new Set<WorkerProcess>();
  readonly #draining = new Set<WorkerProcess>();
  #stopsSoon = false;
  #isStopping = false;
  #onceFull: (() => void) | undefined;
  /** No worker accepts any more: resolves after `stop`. */
  readonly deaf: Promise<void>;
  #settleDeaf: () => void = () => undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.deaf = new Promise((resolve) => {
      this.#settleDeaf = resolve;
    });
    const times = options.backOff ?? WORKER_BACK_OFF;
    this.#slots = Array.from({ length: options.size }, () => ({
      worker: undefined,
      backOff: new BackOff(times),
      timer: undefined,
    }));
  }

  /**
   * Starts one worker, and once that one is ready the others; returns the bound addresses when all are. Throws a
   * `WorkerFailure` at once if the first says why it cannot start, or when it has died silently five times.
   * Undefined if the pool was stopped meanwhile.
   */
  async start(): Promise<readonly string[] | undefined> {
    const [slot, ...others] = this.#slots;
    if (slot === undefined) return undefined;
    const addresses = await this.#startFirst(slot);
    if (addresses === undefined) return undefined;
    this.#options.afterFirstReady?.();
    const full = new Promise<void>((resolve) => {
      this.#onceFull = resolve;
    });
    for (const other of others) this.#adopt(other, this.#launch());
    this.#noteReady();
    await full;
    return this.#isStopping ? undefined : addresses;
  }

  /**
   * Exchanges every worker for a new one with the configuration of now: start, wait until ready, drain the old one.
   * Afterwards no connection is accepted under the old configuration.
   * Throws a `WorkerFailure` if a new worker cannot start; the workers not yet exchanged go on as they are.
   */
  async replaceAll(): Promise<void> {
    for (const slot of this.#slots) {
      await this.#waitForDraining();
      if (this.#isStopping) return;
      const successor = this.#launch();
      if ((await successor.ready) === undefined) {
        const departure = await successor.gone;
        if (this.#isStopping) return;
        throw failureOf(departure);
      }
      if (this.#isStopping) return;
      const predecessor = slot.worker;
      slot.backOff.reset();
      this.#adopt(slot, successor);
      if (predecessor === undefined) continue;
      this.#retire(predecessor);
      await Promise.race([predecessor.leaving, predecessor.gone]);
    }
  }

  /** Drains all workers and waits until they are gone, at most the grace period and a little. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#onceFull?.();
    for (const slot of this.#slots) clearTimeout(slot.timer);
    for (const worker of this.#all) this.#retire(worker);
    void Promise.all([...this.#all].map(({ leaving, gone }) => Promise.race([leaving, gone]))).then(
      this.#settleDeaf,
    );
    await Promise.all([...this.#all].map((worker) => worker.gone));
  }

  /** Some worker serves, and has shown it of late. */
  get isAlive(): boolean {
    return this.#isStopping || [...this.#all].some((worker) => worker.isReady && !worker.isSilent);
  }

  /** Also those that start or drain. */
  reopenLogs(): void {
    for (const worker of this.#all) worker.tell('reopen-logs');
  }

  /** Those that take the place of others hear of it when they are ready. */
  announceStop(): void {
    this.#stopsSoon = true;
    for (const worker of this.#all) worker.tell('announce-stop');
  }

  leaveTerminal(): void {
    for (const worker of this.#all) worker.tell('leave-terminal');
  }

  killAll(): void {
    this.#isStopping = true;
    for (const worker of this.#all) worker.kill();
  }

  async #startFirst(slot: Slot): Promise<readonly string[] | undefined> {
    for (let start = 1; ; start++) {
      const worker = this.#launch();
      const addresses = await worker.ready;
      if (this.#isStopping) return undefined;
      if (addresses !== undefined) {
        slot.backOff.reset();
        this.#adopt(slot, worker);
        return addresses;
      }
      const departure = await worker.gone;
      if (departure.failure !== undefined || start === STARTS) throw failureOf(departure);
      await this.#pause(slot, departure);
      if (this.#isStopping) return undefined;
    }
  }

  #launch(): WorkerProcess {
    const { fork, ledger, logger, readyTimeoutMs = READY_TIMEOUT_MS } = this.#options;
    const note = (text: string): void => logger.log(LogLevel.CRIT, text);
    const worker = new WorkerProcess(fork(), ledger, readyTimeoutMs, note);
    this.#all.add(worker);
    void worker.gone.then(() => {
      this.#all.delete(worker);
      this.#draining.delete(worker);
    });
    void worker.ready.then(() => {
      if (this.#stopsSoon) worker.tell('announce-stop');
      this.#noteReady();
    });
    return worker;
  }

  /** Gives the worker the slot; from then on its death is answered by a new one. */
  #adopt(slot: Slot, worker: WorkerProcess): void {
    clearTimeout(slot.timer);
    slot.worker = worker;
    void worker.leaving.then(() => this.#onLeaving(slot, worker));
    void worker.gone.then((departure) => this.#onGone(slot, worker, departure));
  }

  /** A worker that drains of its own accord makes room for the next one at once, not when its last session ends. */
  #onLeaving(slot: Slot, worker: WorkerProcess): void {
    if (this.#isStopping || slot.worker !== worker) return;
    slot.worker = undefined;
    this.#retire(worker);
    const failure = new WorkerFailure(ExitCode.SOFTWARE, 'takes no more connections');
    const departure = { code: undefined, signal: undefined, livedMs: worker.livedMs, failure };
    void this.#refill(slot, departure, worker.pid);
  }

  #onGone(slot: Slot, worker: WorkerProcess, departure: Departure): void {
    if (this.#isStopping || slot.worker !== worker) return;
    slot.worker = undefined;
    if (this.#isLost(departure)) {
      this.#options.onLost(failureOf(departure));
      return;
    }
    void this.#refill(slot, departure, worker.pid);
  }

  /** Waits out the back-off and starts a new worker, as often as the fork itself fails. */
  async #refill(slot: Slot, departure: Departure, pid: number | undefined): Promise<void> {
    await this.#pause(slot, departure, pid);
    if (this.#isStopping || slot.worker !== undefined) return;
    try {
      this.#adopt(slot, this.#launch());
    } catch (error) {
      const failure = new WorkerFailure(ExitCode.OS_ERROR, `cannot start a worker: ${String(error)}`);
      await this.#refill(slot, { code: undefined, signal: undefined, livedMs: 0, failure }, undefined);
    }
  }

  /** The sockets close with the last worker; if they are in reach no more, no back-off brings them back. */
  #isLost({ failure }: Departure): boolean {
    const cannotListen = failure?.exitCode === ExitCode.OS_ERROR || failure?.exitCode === ExitCode.TRY_AGAIN;
    return cannotListen && ![...this.#all].some((worker) => worker.isReady);
  }

  /** Waits the back-off of the slot. A stopped pool leaves the promise pending: it is not waited for then. */
  #pause(slot: Slot, departure: Departure, pid?: number): Promise<void> {
    const waitMs = slot.backOff.next(departure.livedMs);
    const who = pid === undefined ? 'a worker' : `worker ${pid}`;
    const what = `${who}: ${tellDeparture(departure)}; replaced in ${waitMs} ms`;
    this.#options.logger.log(LogLevel.ERROR, what);
    return new Promise((resolve) => {
      slot.timer = setTimeout(resolve, waitMs);
    });
  }

  #retire(worker: WorkerProcess): void {
    this.#draining.add(worker);
    worker.drain();
    const timer = setTimeout(() => worker.kill(), this.#options.graceMs + KILL_AFTER_GRACE_MS);
    void worker.gone.then(() => clearTimeout(timer));
  }

  /** Keeps repeated reloads from piling up processes: at most as many drain as there are slots. */
  async #waitForDraining(): Promise<void> {
    while (this.#draining.size >= this.#slots.length && !this.#isStopping) {
      await Promise.race([...this.#draining].map((worker) => worker.gone));
    }
  }

  #noteReady(): void {
    if (this.#slots.every((slot) => slot.worker?.isReady === true)) this.#onceFull?.();
  }
}

function failureOf(departure: Departure): WorkerFailure {
  const code = departure.code === undefined || departure.code === 0 ? ExitCode.SOFTWARE : departure.code;
  return (
    departure.failure ?? new WorkerFailure(code, `a worker ${tellDeparture(departure)} before it was ready`)
  );
}

/** How long to wait before a worker that died is replaced. */
export interface BackOffTimes {
  readonly firstMs: number;
  readonly longestMs: number;
  /** A worker that lived so long was sound: the next wait is the first one again. */
  readonly soundAfterMs: number;
}

export const WORKER_BACK_OFF: BackOffTimes = { firstMs: 250, longestMs: 30_000, soundAfterMs: 60_000 };

/** Doubles the wait from death to death, so that a worker that cannot live does not take the processor. */
export class BackOff {
  readonly #times: BackOffTimes;
  #nextMs: number;

  constructor(times: BackOffTimes = WORKER_BACK_OFF) {
    this.#times = times;
    this.#nextMs = times.firstMs;
  }

  /** The wait after a worker that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= this.#times.soundAfterMs) this.reset();
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(waitMs * 2, this.#times.longestMs);
    return waitMs;
  }

  reset(): void {
    this.#nextMs = this.#times.firstMs;
  }
}
