/** Times as `$TIMESTAMP` has them: UTC. */

export interface ZoneTimes {
  /** Milliseconds since the epoch. */
  readonly madeAtMs: number | undefined;
  readonly expiresAtMs: number | undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
/** `yyyy:mm:dd`, then as much of `hh:mi:ss` as one likes; separators may be left out. */
const TIME = /^(\d{4})[:-]?(\d\d)[:-]?(\d\d)(?:[:-]?(\d\d)(?:[:-]?(\d\d)(?:[:-]?(\d\d))?)?)?$/;

/** `TIME [EXPIRY]`; undefined if it can't be read. `0` and `-` stand for no time, `+3d` for three days after the first one. */
export function readTimestamp(text: string): ZoneTimes | undefined {
  const [made = '', expiry = '-', ...more] = text.split(/\s+/);
  const madeAtMs = timeOf(made);
  if (madeAtMs === undefined || more.length > 0) return undefined;
  const expiresAtMs = expiry.startsWith('+') ? later(madeAtMs, expiry) : timeOf(expiry);
  if (expiresAtMs === undefined) return undefined;
  return { madeAtMs: madeAtMs ?? undefined, expiresAtMs: expiresAtMs ?? undefined };
}

/** Null for no time. */
function timeOf(text: string): number | null | undefined {
  if (text === '0' || text === '-') return null;
  const parts = TIME.exec(text)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number];
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
    return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function later(madeAtMs: number | null, expiry: string): number | undefined {
  const [, digits, unit = 's'] = /^\+(\d{1,9})([smhdw])?$/.exec(expiry) ?? [];
  return digits === undefined || madeAtMs === null
    ? undefined
    : madeAtMs + Number(digits) * UNITS[unit]! * 1_000;
}
