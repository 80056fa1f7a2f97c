import type { LocalTime } from '../../bindings/plugin/strftime.ts';

const DAY_MS = 86_400_000;

/** The moment `epochMs` in the time zone of the system. */
export function localTime(epochMs: number): LocalTime {
  const date = new Date(epochMs);
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  return {
    year,
    month: month + 1,
    day,
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    weekday: date.getDay(),
    dayOfYear: Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / DAY_MS) + 1,
    zoneMinutes: -date.getTimezoneOffset(),
    epochSeconds: Math.floor(epochMs / 1000),
  };
}
