/**
 * What this process is doing, in memory shared with the thread that watches it: when the event loop is stuck, only that
 * thread can report it. Writing costs two stores a hook and one a session.
 */

/** Sessions that are reported by name; of the others only the number. */
const SEATS = 4_096;

/** Places in the record. */
export const BEAT = 0;
export const LAST_CALL = 1;
export const LAST_SEAT = 2;
const SESSIONS = 3;
const FIRST_SEAT = 4;
/** The seat of sessions that found none, and of calls outside any session. */
export const NO_SEAT = FIRST_SEAT - 1;

const NUMBERS_OCTETS = (FIRST_SEAT + SEATS) * Int32Array.BYTES_PER_ELEMENT;

export const flightRecord = new Int32Array(
  new SharedArrayBuffer(NUMBERS_OCTETS + SEATS * Float64Array.BYTES_PER_ELEMENT),
  0,
  FIRST_SEAT + SEATS,
);
/** When the session of each seat began: after the numbers, in the same memory. */
const timesIn = (record: Int32Array): Float64Array => new Float64Array(record.buffer, NUMBERS_OCTETS, SEATS);
const times = timesIn(flightRecord);

/** Hooks of plugins by their number, for the log. */
export const callNames: string[] = ['none'];
const numbers = new Map<string, number>();
const freeSeats: number[] = [];
let usedSeats = 0;

/** The number of a plugin's hook; the same again after a reload. */
export function numberOfCall(plugin: string, hook: string): number {
  const name = `${hook} of plugin ${plugin}`;
  let number = numbers.get(name);
  if (number === undefined) {
    number = callNames.push(name) - 1;
    numbers.set(name, number);
  }
  return number;
}

/** Enters the session with this number and beginning; returns its seat, which `leaveSeat` gives back. */
export function takeSeat(sessionNumber: number, beganAt: number): number {
  flightRecord[SESSIONS]!++;
  const seat = freeSeats.pop() ?? (usedSeats < SEATS ? FIRST_SEAT + usedSeats++ : NO_SEAT);
  if (seat !== NO_SEAT) {
    flightRecord[seat] = sessionNumber + 1;
    times[seat - FIRST_SEAT] = beganAt;
  }
  return seat;
}

export function leaveSeat(seat: number): void {
  flightRecord[SESSIONS]!--;
  if (seat === NO_SEAT) return;
  flightRecord[seat] = 0;
  freeSeats.push(seat);
}

/**
 * What the log calls a session: unique over processes and restarts, and in the order of time. `beganAt` in milliseconds since
 * 1970, the process and the number, in base 36.
 */
export const sessionName = (sessionNumber: number, beganAt: number): string =>
  `${beganAt.toString(36)}-${PROCESS}-${sessionNumber.toString(36)}`;

const PROCESS = process.pid.toString(36);

/** The hook that was called last, and for which session. */
export function lastCallIn(record: Int32Array, names: readonly string[]): string {
  const name = nameIn(record, record[LAST_SEAT]!);
  const session = name === undefined ? '' : `, session ${name}`;
  return `last hook: ${names[record[LAST_CALL]!] ?? 'one of a plugin loaded just now'}${session}`;
}

/** The open sessions, so many in a line. */
export function sessionsIn(record: Int32Array, perLine = 100): string[] {
  const ids: string[] = [];
  for (let seat = FIRST_SEAT; seat < record.length; seat++) {
    const name = nameIn(record, seat);
    if (name !== undefined) ids.push(name);
  }
  const lines: string[] = [];
  for (let at = 0; at < ids.length; at += perLine) lines.push(ids.slice(at, at + perLine).join(' '));
  const unnamed = record[SESSIONS]! - ids.length;
  return unnamed > 0 ? [...lines, `and ${unnamed} more`] : lines;
}

/** Undefined for a seat that is free, and for none. */
function nameIn(record: Int32Array, seat: number): string | undefined {
  const number = seat < FIRST_SEAT ? 0 : (record[seat] ?? 0);
  return number === 0 ? undefined : sessionName(number - 1, timesIn(record)[seat - FIRST_SEAT]!);
}
