/**
 * The thread that watches the event loop of its process. A loop that is stuck can neither log nor end, so the thread does both:
 * it writes to the standard error stream what the loop was at, and kills the process.
 */

import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { BEAT, lastCallIn, sessionsIn } from '../observe/flight-record.ts';
import type { WatchData } from './heartbeat.ts';
import { beatEveryMs, HeartbeatMonitor } from './heartbeat-monitor.ts';

/** From when on the log hears of it. A primary that stops kills a silent worker soon after. */
const WARN_AFTER_MS = 3_000;
/** How often a full pipe is tried again. */
const ATTEMPTS = 50;
const PAUSE_MS = 10;

const { record, names: namesAtFirst, timeoutMs } = workerData as WatchData;
const names = [...namesAtFirst];
const everyMs = beatEveryMs(timeoutMs);
const warnAfterMs = Math.min(WARN_AFTER_MS, timeoutMs / 2);
const meter = new HeartbeatMonitor(everyMs);
let isWarned = false;

parentPort?.on('message', (more: readonly string[]) => names.push(...more));
setInterval(watch, everyMs);

function watch(): void {
  const silentMs = meter.tick(Atomics.load(record, BEAT));
  if (silentMs < warnAfterMs) {
    isWarned = false;
  } else if (silentMs >= timeoutMs) {
    report(silentMs, 'killed', 'lost');
    process.kill(process.pid, 'SIGKILL');
  } else if (!isWarned) {
    isWarned = true;
    report(silentMs, 'waiting', 'held up');
  }
}

function report(silentMs: number, outcome: string, fate: string): void {
  const seconds = Math.round(silentMs / 100) / 10;
  print(`the event loop is stuck for ${seconds} s, ${outcome}; ${lastCallIn(record, names)}`);
  for (const line of sessionsIn(record)) print(`sessions ${fate}: ${line}`);
}

/** The standard error stream may be a pipe that is full for the moment; after half a second the line is given up. */
function print(text: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      writeSync(2, `${process.pid} ${text}\n`);
      return;
    } catch {
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}
