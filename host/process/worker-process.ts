/** One worker as its primary sees it: from the fork to the exit. */

import type { Worker } from 'node:cluster';
import { ExitCode, WorkerFailure } from './exit-code.ts';
import { readWorkerMessage, type PrimaryMessage, type WorkerOrder } from './ipc-messages.ts';
import { beatEveryMs, HeartbeatMonitor } from './heartbeat-monitor.ts';
import type { SharedLedger } from './connection-ledger.ts';

/** Beats more than its own thread waits for, which has more to tell. */
const BEATS_OF_PATIENCE = 5;
/** Heartbeats come once a second at least. */
const SILENT_AFTER_MS = 5_000;
/** One that says nothing while it should drain can end no transaction: the others do not wait for it. */
const SILENCE_IN_DRAIN_MS = 5_000;

/** How a worker ended. */
export interface Departure {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly livedMs: number;
  /** Why it could not start, if it said so. */
  readonly failure: WorkerFailure | undefined;
}

export class WorkerProcess {
  /** The addresses it listens on; undefined if it ended before it was ready. */
  readonly ready: Promise<readonly string[] | undefined>;
  /** It takes no new connections any more; `gone` follows. */
  readonly leaving: Promise<void>;
  readonly gone: Promise<Departure>;
  readonly #worker: Worker;
  readonly #forkedAt = performance.now();
  #isReady = false;
  #failure: WorkerFailure | undefined;
  readonly #settleReady: (addresses: readonly string[] | undefined) => void;
  readonly #settleLeaving: () => void;
  readonly #note: (text: string) => void;
  /** Messages that came: each is a sign of life. */
  #signs = 0;
  #silence: HeartbeatMonitor | undefined = undefined;
  #maxSilenceMs = Number.POSITIVE_INFINITY;

  /** `note` hears of a worker that is killed for its silence. */
  constructor(worker: Worker, ledger: SharedLedger, readyTimeoutMs: number, note: (text: string) => void) {
    this.#note = note;
    this.#worker = worker;
    const [ready, settleReady] = deferred<readonly string[] | undefined>();
    const [leaving, settleLeaving] = deferred<undefined>();
    const [gone, settleGone] = deferred<Departure>();
    this.ready = ready;
    this.leaving = leaving;
    this.gone = gone;
    this.#settleReady = settleReady;
    this.#settleLeaving = () => settleLeaving(undefined);
    const timer = setTimeout(() => this.#giveUpWaiting(readyTimeoutMs), readyTimeoutMs);
    const end = (code?: number, signal?: string): void => {
      ledger.forget(worker.id);
      settleReady(undefined);
      settleGone({ code, signal, livedMs: this.livedMs, failure: this.#failure });
    };
    void ready.then(() => clearTimeout(timer));
    worker.on('message', (message: unknown) => this.#hear(message, ledger));
    worker.on('exit', (code: number | null, signal: string | null) =>
      end(code ?? undefined, signal ?? undefined),
    );
    worker.on('error', (error) => {
      // With a pid it is a message that could not be sent, and 'exit' follows; without one the fork itself failed.
      if (worker.process.pid !== undefined) return;
      this.#failure = new WorkerFailure(ExitCode.OS_ERROR, `cannot start a worker: ${error.message}`);
      end();
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** It has sent no heartbeat for a while: nothing to kill it for yet. */
  get isSilent(): boolean {
    return (this.#silence?.silentMs ?? 0) > SILENT_AFTER_MS;
  }

  get livedMs(): number {
    return performance.now() - this.#forkedAt;
  }

  /** A signal and no message: it also reaches a worker that does not listen to messages yet. */
  drain(): void {
    this.#worker.process.kill('SIGTERM');
    this.#maxSilenceMs = Math.min(this.#maxSilenceMs, SILENCE_IN_DRAIN_MS);
    this.#judgeSilence();
  }

  /** A message and no signal: one that is just being started would open its inspector on USR1. */
  tell(what: WorkerOrder): void {
    this.#send({ qpsmtpd: what });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #hear(message: unknown, ledger: SharedLedger): void {
    this.#signs++;
    const heard = readWorkerMessage(message);
    switch (heard?.qpsmtpd) {
      case 'ready':
        this.#isReady = true;
        this.#watchSilence(heard.silenceMs);
        this.#settleReady(heard.addresses);
        break;
      case 'failed':
        this.#failure = new WorkerFailure(heard.exitCode, heard.text);
        break;
      case 'leaving':
        this.#settleLeaving();
        break;
      case 'beat':
        break;
      case 'admit':
        this.#send({
          qpsmtpd: 'admission',
          id: heard.id,
          ...ledger.admit(this.#worker.id, heard.ip, heard.extra),
        });
        break;
      case 'release':
        ledger.release(this.#worker.id, heard.ip);
        break;
    }
  }

  /** Its own thread tells what it is stuck in and kills it; this is for one that cannot: stopped, or out of memory. */
  #watchSilence(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    const everyMs = beatEveryMs(timeoutMs);
    const silence = new HeartbeatMonitor(everyMs);
    this.#silence = silence;
    this.#maxSilenceMs = Math.min(this.#maxSilenceMs, timeoutMs + BEATS_OF_PATIENCE * everyMs);
    const timer = setInterval(() => {
      silence.tick(this.#signs);
      this.#judgeSilence();
    }, everyMs);
    void this.gone.then(() => clearInterval(timer));
  }

  #judgeSilence(): void {
    const silentMs = this.#silence?.silentMs ?? 0;
    if (silentMs < this.#maxSilenceMs) return;
    this.#silence = undefined;
    this.#note(
      `worker ${this.pid}: no sign of life for ${Math.round(silentMs / 1_000)} s, killed; its sessions are lost`,
    );
    this.kill();
  }

  #send(message: PrimaryMessage): void {
    if (!this.#worker.isConnected()) return;
    this.#worker.send(message, () => undefined);
  }

  #giveUpWaiting(readyTimeoutMs: number): void {
    this.#failure = new WorkerFailure(
      ExitCode.SOFTWARE,
      `a worker was not ready within ${readyTimeoutMs / 1000} s (does a plugin wait for something while it registers?)`,
    );
    this.kill();
  }
}

/** How to report a worker that ended: its own message, or the signal, or the code. */
export function tellDeparture({ code, signal, failure }: Departure): string {
  if (failure !== undefined) return failure.message;
  return signal === undefined ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${signal}`;
}

function deferred<T>(): [Promise<T>, (value: T) => void] {
  let settle: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return [promise, (value) => settle?.(value)];
}
