import type { LocalTime } from '../../bindings/plugin/strftime.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The moment `epochMs` in the time zone of the system. */
export const localTime = (epochMs: number): LocalTime =>
  timeInZone(-new Date(epochMs).getTimezoneOffset(), epochMs);

/** The moment `epochMs` where clocks are `zoneMinutes` before UTC. */
export function timeInZone(zoneMinutes: number, epochMs: number): LocalTime {
  const date = new Date(epochMs + zoneMinutes * MINUTE_MS);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  return {
    year,
    month: month + 1,
    day,
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
    dayOfYear: Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / DAY_MS) + 1,
    zoneMinutes,
    epochSeconds: Math.floor(epochMs / 1000),
  };
}
