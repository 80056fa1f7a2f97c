/** How long a process has shown no sign of life, and how often it has to show one. */

const LONGEST_BEAT_MS = 1_000;
const BEATS_IN_TIMEOUT = 10;

/** How often whoever may be silent for `timeoutMs` gives a sign of life. */
export const beatEveryMs = (timeoutMs: number): number =>
  Math.min(LONGEST_BEAT_MS, timeoutMs / BEATS_IN_TIMEOUT);

/**
 * Counts its own ticks and reads no clock: who measures was asleep, too, while the machine was suspended or the whole group
 * of processes was stopped, and a clock would put all that time down to the other.
 */
export class SilenceMeter {
  silentMs = 0;
  readonly #everyMs: number;
  #lastSign = Number.NaN;

  /** `everyMs`: the time between two ticks. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** `sign`: a number that is another one after each sign of life. Returns how long it has been the same, in milliseconds. */
  tick(sign: number): number {
    this.silentMs = sign === this.#lastSign ? this.silentMs + this.#everyMs : 0;
    this.#lastSign = sign;
    return this.silentMs;
  }
}
