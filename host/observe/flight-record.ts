/**
 * What this process is at, in memory shared with the thread that watches it: when the event loop is stuck, nobody else can
 * tell. Writing costs two stores a hook and one a session.
 */

/** Sessions that are told by name; of the others the number is known. */
const SEATS = 4_096;

/** Places in the record. */
export const BEAT = 0;
export const LAST_CALL = 1;
export const LAST_SEAT = 2;
const SESSIONS = 3;
const FIRST_SEAT = 4;
/** The seat of sessions that found none, and of calls outside any session. */
export const NO_SEAT = FIRST_SEAT - 1;

export const flightRecord = new Int32Array(
  new SharedArrayBuffer((FIRST_SEAT + SEATS) * Int32Array.BYTES_PER_ELEMENT),
);

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

/** Enters the session with this number; returns its seat, which `leaveSeat` gives back. */
export function takeSeat(sessionNumber: number): number {
  flightRecord[SESSIONS]!++;
  const seat = freeSeats.pop() ?? (usedSeats < SEATS ? FIRST_SEAT + usedSeats++ : NO_SEAT);
  if (seat !== NO_SEAT) flightRecord[seat] = sessionNumber + 1;
  return seat;
}

export function leaveSeat(seat: number): void {
  flightRecord[SESSIONS]!--;
  if (seat === NO_SEAT) return;
  flightRecord[seat] = 0;
  freeSeats.push(seat);
}

/** What the log calls a session. */
export const sessionName = (sessionNumber: number): string => sessionNumber.toString(36);

/** The hook that was called last, and for which session. */
export function lastCallIn(record: Int32Array, names: readonly string[]): string {
  const seat = record[LAST_SEAT]!;
  const number = seat === NO_SEAT ? 0 : (record[seat] ?? 0);
  const session = number === 0 ? '' : `, session ${sessionName(number - 1)}`;
  return `last hook: ${names[record[LAST_CALL]!] ?? 'one of a plugin loaded just now'}${session}`;
}

/** The open sessions, so many in a line. */
export function sessionsIn(record: Int32Array, perLine = 200): string[] {
  const ids = [...record.subarray(FIRST_SEAT)].filter((number) => number > 0).map((n) => sessionName(n - 1));
  const lines: string[] = [];
  for (let at = 0; at < ids.length; at += perLine) lines.push(ids.slice(at, at + perLine).join(' '));
  const unnamed = record[SESSIONS]! - ids.length;
  return unnamed > 0 ? [...lines, `and ${unnamed} more`] : lines;
}
