/** What greylisting keeps of a sender: a line of qpsmtpd's greylist database. RFC 6647 section 2. */

import type { Change, ImportedEntry } from '../../bindings/plugin/index.ts';

/** Both in seconds, the first the shorter one. */
export interface GreylistTimes {
  /** How long a new sender is refused. */
  readonly black_timeout: number;
  /** How long a sender stays known without a delivery. */
  readonly white_timeout: number;
}

export const GREYLIST_TIMES: GreylistTimes = { black_timeout: 50 * 60, white_timeout: 36 * 86_400 };

export interface GreylistJudgement {
  readonly isRefused: boolean;
  /** For the log, in qpsmtpd's words. */
  readonly word: string;
}

/**
 * What becomes of a sender who tries again at `now`, in seconds. A record is `SINCE:NEW:BLACK:WHITE`: the time of the first
 * try or the last delivery, and how often the sender was new, refused and let through.
 */
export function judgeSender(
  value: string | undefined,
  now: number,
  { black_timeout: black, white_timeout: white }: GreylistTimes,
): Change<GreylistJudgement> {
  const [since = 0, fresh = 0, refused = 0, delivered = 0] = (value ?? '').split(':').map(Number);
  const age = now - since;
  const keep = (from: number, counts: string): { value: string; expiresInMs: number } => ({
    value: `${from}:${counts}`,
    expiresInMs: greylistLifeMs(from, now, white),
  });
  if (value === undefined || !(age < white)) {
    return { ...keep(now, '1:0:0'), answer: { isRefused: true, word: 'initial DENYSOFT, unknown' } };
  }
  if (delivered === 0 && age < black) {
    const word = `black DENYSOFT - ${refused + 1} deferred connections`;
    return { ...keep(since, `${fresh}:${refused + 1}:0`), answer: { isRefused: true, word } };
  }
  const word = delivered === 0 ? 'updated grey->white' : `white, ${delivered + 1} deliveries`;
  return { ...keep(now, `${fresh}:${refused}:${delivered + 1}`), answer: { isRefused: false, word } };
}

/** How long a record that says `since` is worth keeping; not above 0 for one that is not. */
export const greylistLifeMs = (since: number, now: number, whiteTimeout: number): number =>
  (since + whiteTimeout - now) * 1_000;

/** An entry of greylist.dbm; undefined for what is none. */
export function importGreylist(key: string, value: string, nowMs: number): ImportedEntry | undefined {
  if (key === '' || !/^\d{1,12}(?::\d{1,9}){3}$/.test(value)) return undefined;
  const since = Number.parseInt(value, 10);
  return { value, expiresInMs: greylistLifeMs(since, nowMs / 1_000, GREYLIST_TIMES.white_timeout) };
}
