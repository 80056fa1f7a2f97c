/** The heartbeat of a process that serves: for the thread that watches its event loop, and for its primary. */

import { Worker } from 'node:worker_threads';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { BEAT, callNames, flightRecord } from '../observe/flight-record.ts';
import type { FaultLog } from './fault-guard.ts';
import { beatEveryMs } from './heartbeat-monitor.ts';

/** What the watching thread begins with. */
export interface WatchData {
  readonly record: Int32Array;
  readonly names: readonly string[];
  readonly timeoutMs: number;
}

export class Heartbeat {
  readonly #log: FaultLog;
  readonly #tell: () => void;
  #timeoutMs = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  #watch: Worker | undefined = undefined;
  #namesTold = 0;

  /** `tell` is called at each beat. */
  constructor(log: FaultLog, tell: () => void = () => undefined) {
    this.#log = log;
    this.#tell = tell;
  }

  /**
   * From now on a process that is silent for `timeoutMs` is killed; 0: it is not watched. Returns the time that goes.
   */
  follow(timeoutMs: number): number {
    const wanted = isBeingDebugged() ? 0 : timeoutMs;
    if (wanted === this.#timeoutMs) return wanted;
    this.stop();
    this.#timeoutMs = wanted;
    if (wanted > 0) this.#timer = setInterval(() => this.#beat(), beatEveryMs(wanted)).unref();
    return wanted;
  }

  stop(): void {
    clearInterval(this.#timer);
    void this.#watch?.terminate();
    this.#watch = undefined;
    this.#timeoutMs = 0;
  }

  /** The thread starts with the first beat and not with the process, whose start it would delay. */
  #beat(): void {
    Atomics.add(flightRecord, BEAT, 1);
    this.#tell();
    if (this.#watch === undefined) this.#watch = this.#startWatch();
    else if (callNames.length > this.#namesTold) this.#watch.postMessage(callNames.slice(this.#namesTold));
    this.#namesTold = callNames.length;
  }

  #startWatch(): Worker {
    const workerData: WatchData = { record: flightRecord, names: callNames, timeoutMs: this.#timeoutMs };
    // Beside this file once it is compiled; from the sources no process runs.
    const file = new URL('./stall-watch.js', import.meta.url);
    const watch = new Worker(file, { workerData, env: {}, execArgv: [], trackUnmanagedFds: false });
    watch.on('error', (error) => {
      const text = `no thread watches the event loop, a wedged process is killed without a word: ${error.message}`;
      this.#log.log(LogLevel.WARN, text);
    });
    watch.unref();
    return watch;
  }
}

/** Stopped at a breakpoint, a process looks wedged. */
function isBeingDebugged(): boolean {
  if (!process.features.inspector) return false;
  return process.getBuiltinModule('node:inspector').url() !== undefined;
}
