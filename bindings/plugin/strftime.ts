/** Names with a date in them, as operators write them for strftime(3): `mail/%Y%m%d`. */

/** A moment by the calendar and the clock of the system's time zone. */
export interface LocalTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 1 is the first of January. */
  readonly dayOfYear: number;
  /** East of Greenwich. */
  readonly zoneMinutes: number;
  readonly epochSeconds: number;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);

const pad = (value: number, width = 2, fill = '0'): string => String(value).padStart(width, fill);
const hour12 = ({ hour }: LocalTime): number => ((hour + 11) % 12) + 1;

const CONVERSIONS: Readonly<Record<string, (time: LocalTime) => string>> = {
  Y: ({ year }) => pad(year, 4),
  C: ({ year }) => pad(Math.floor(year / 100)),
  y: ({ year }) => pad(year % 100),
  m: ({ month }) => pad(month),
  d: ({ day }) => pad(day),
  e: ({ day }) => pad(day, 2, ' '),
  j: ({ dayOfYear }) => pad(dayOfYear, 3),
  H: ({ hour }) => pad(hour),
  I: (time) => pad(hour12(time)),
  k: ({ hour }) => pad(hour, 2, ' '),
  l: (time) => pad(hour12(time), 2, ' '),
  M: ({ minute }) => pad(minute),
  S: ({ second }) => pad(second),
  p: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  A: ({ weekday }) => DAYS[weekday]!,
  a: ({ weekday }) => DAYS[weekday]!.slice(0, 3),
  B: ({ month }) => MONTHS[month - 1]!,
  b: ({ month }) => MONTHS[month - 1]!.slice(0, 3),
  h: ({ month }) => MONTHS[month - 1]!.slice(0, 3),
  u: ({ weekday }) => String(weekday === 0 ? 7 : weekday),
  w: ({ weekday }) => String(weekday),
  U: ({ dayOfYear, weekday }) => pad(Math.floor((dayOfYear + 6 - weekday) / 7)),
  W: ({ dayOfYear, weekday }) => pad(Math.floor((dayOfYear + 6 - ((weekday + 6) % 7)) / 7)),
  s: ({ epochSeconds }) => String(epochSeconds),
  z: ({ zoneMinutes }) => {
    const minutes = Math.abs(zoneMinutes);
    return `${zoneMinutes < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${pad(minutes % 60)}`;
  },
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** Conversions that stand for several others; those of the C locale. */
const COMPOUND: Readonly<Record<string, string>> = {
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  R: '%H:%M',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  r: '%I:%M:%S %p',
  x: '%m/%d/%y',
  c: '%a %b %e %H:%M:%S %Y',
};

/** The pattern with its conversions filled in; those that strftime does not have stay as they are. */
export function strftime(pattern: string, time: LocalTime): string {
  const whole = pattern.replace(/%([DFRTXrxc%])/g, (all, key: string) => COMPOUND[key] ?? all);
  return whole.replace(/%([A-Za-z%])/g, (all, key: string) => CONVERSIONS[key]?.(time) ?? all);
}
