/** What the karma plugin keeps of an address, and `qpsmtpd karma` shows: a line of qpsmtpd's karma database. */

import type { ImportedEntry } from '../../bindings/plugin/index.ts';

export interface KarmaRecord {
  /** When the penalty began, in seconds since the epoch; later than now for a longer one, 0 for none. */
  readonly penaltyStart: number;
  /** Connections that ended badly, and well, and how many were counted at all. */
  readonly naughty: number;
  readonly nice: number;
  readonly connects: number;
}

const DAY_MS = 86_400_000;
/** An address nothing was recorded about for so long is forgotten: strangers must not fill the disk for ever. */
const KEPT_MS = 180 * DAY_MS;

/** Empty and missing parts are 0, as `karma_tool` leaves some. */
export function parseKarma(value: string | undefined): KarmaRecord {
  const [penaltyStart, naughty, nice, connects] = (value ?? '').split(':').map((part) => Number(part) || 0);
  return {
    penaltyStart: penaltyStart ?? 0,
    naughty: naughty ?? 0,
    nice: nice ?? 0,
    connects: connects ?? 0,
  };
}

export const printKarma = ({ penaltyStart, naughty, nice, connects }: KarmaRecord): string =>
  `${penaltyStart}:${naughty}:${nice}:${connects}`;

/** How long a record is kept: through its penalty, and on from there. */
export const karmaLifeMs = ({ penaltyStart }: KarmaRecord, nowMs: number): number =>
  KEPT_MS + Math.max(0, penaltyStart * 1_000 - nowMs);

/** An entry of karma.dbm; undefined for what is none. */
export function importKarma(key: string, text: string, nowMs: number): ImportedEntry | undefined {
  if (!/^\d{1,39}$/.test(key) || !/^\d{0,12}(?::\d{0,9}){1,3}$/.test(text)) return undefined;
  const record = parseKarma(text);
  return { value: printKarma(record), expiresInMs: karmaLifeMs(record, nowMs) };
}
