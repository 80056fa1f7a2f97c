/**
 * Takes a plugin out of one chain after repeated failures, and lets it back in: a check whose database is down must not
 * hold up every client, nor fill the log. Failures in a row count, so one success begins anew; a client with a message
 * that the plugin chokes on takes it out only where no other client is served meanwhile.
 */

/** So many failures in a row take the plugin out. */
export const MAX_IN_A_ROW = 10;
/** So many errors after the plugin's answers take it out, if they come within a minute. */
export const MAX_LATE = 10;
const LATE_WINDOW_MS = 60_000;
/** The first time out; each further one lasts twice as long, up to ten minutes. */
export const FIRST_PAUSE_MS = 30_000;
export const MAX_PAUSE_MS = 600_000;

export class Breaker {
  /** The plugin is not to be asked, unless `letTry` says so. */
  isOut = false;
  /** There were failures since the last success: a success must be told. */
  isTroubled = false;
  /** How often the plugin was taken out. */
  trips = 0;
  pauseMs = 0;
  #inRow = 0;
  #late = 0;
  #lateSince = 0;
  #backAt = 0;
  #inAgainAt = Number.NEGATIVE_INFINITY;
  #isTrying = false;

  /** A call failed. True if that takes the plugin out. */
  fail(now: number): boolean {
    this.isTroubled = true;
    this.#inRow++;
    const mustGo = this.isOut ? this.#isTrying : this.#inRow >= MAX_IN_A_ROW;
    if (mustGo) this.#takeOut(now);
    return mustGo;
  }

  /** Something failed after an answer. True if that takes the plugin out. */
  failLate(now: number): boolean {
    if (now - this.#lateSince > LATE_WINDOW_MS) {
      this.#lateSince = now;
      this.#late = 0;
    }
    this.#late++;
    if (this.isOut || this.#late < MAX_LATE) return false;
    this.isTroubled = true;
    this.#takeOut(now);
    return true;
  }

  /** A call succeeded. True if that lets the plugin back in. */
  succeed(now: number): boolean {
    this.#inRow = 0;
    const isBack = this.isOut && this.#isTrying;
    if (isBack) {
      this.isOut = false;
      this.#isTrying = false;
      this.#inAgainAt = now;
    }
    this.isTroubled = this.isOut;
    return isBack;
  }

  /** After the pause a single call may try whether the plugin works again. */
  letTry(now: number): boolean {
    if (this.#isTrying || now < this.#backAt) return false;
    this.#isTrying = true;
    return true;
  }

  #takeOut(now: number): void {
    // A plugin that was in for long is out for the first time again.
    if (!this.isOut && now - this.#inAgainAt > MAX_PAUSE_MS) this.pauseMs = 0;
    this.isOut = true;
    this.#isTrying = false;
    this.#inRow = 0;
    this.#late = 0;
    this.trips++;
    this.pauseMs = this.pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
    this.#backAt = now + this.pauseMs;
  }
}
