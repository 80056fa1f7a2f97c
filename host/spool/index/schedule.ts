/** When to try again. RFC 5321 section 4.5.4.1. */

export interface RetryTimes {
  /** Before the second attempt; every further pause is twice as long. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** After so long the sender is told that the message could not be delivered. */
  readonly lifeMs: number;
  /** After so long the sender is told, once, that it is late; 0: never. */
  readonly delayNoticeMs: number;
  /** How long a report that cannot leave is kept; 0: not at all. */
  readonly keepReportsMs: number;
}

/** Share of a pause that chance decides about: what failed together must not come back together. */
const JITTER = 0.1;

/** The pause after `attempts` attempts (1 or more); `chance` is in [0, 1). */
export function pauseAfter(
  attempts: number,
  { firstRetryMs, longestRetryMs }: RetryTimes,
  chance: number,
): number {
  const doubled = firstRetryMs * 2 ** Math.min(attempts - 1, 30);
  return Math.round(Math.min(doubled, longestRetryMs) * (1 + JITTER * (chance - 0.5)));
}

/** The next moment after `nowMs` at which a message's age matters. */
export function nextAgeMs(
  arrivedMs: number,
  { delayNoticeMs, lifeMs }: RetryTimes,
  isNoticed: boolean,
): number {
  const wantsNotice = !isNoticed && delayNoticeMs > 0 && delayNoticeMs < lifeMs;
  return arrivedMs + (wantsNotice ? delayNoticeMs : lifeMs);
}
