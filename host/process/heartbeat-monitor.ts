/** How long a process has sent no heartbeat, and how often it has to send one. */

const MAX_BEAT_MS = 1_000;
const BEATS_IN_TIMEOUT = 10;

/** How often a process that may be silent for `timeoutMs` sends a heartbeat. */
export const beatEveryMs = (timeoutMs: number): number => Math.min(MAX_BEAT_MS, timeoutMs / BEATS_IN_TIMEOUT);

/**
 * Counts its own ticks and reads no clock: while the machine was suspended, or the whole group of processes was stopped, the monitor
 * was asleep too, and a clock would count all that time as silence of the other process.
 */
export class HeartbeatMonitor {
  silentMs = 0;
  readonly #everyMs: number;
  #lastBeat = Number.NaN;

  /** `everyMs`: the time between two ticks. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** `beat`: a number that changes with each heartbeat. Returns how long it has been the same, in milliseconds. */
  tick(beat: number): number {
    this.silentMs = beat === this.#lastBeat ? this.silentMs + this.#everyMs : 0;
    this.#lastBeat = beat;
    return this.silentMs;
  }
}
