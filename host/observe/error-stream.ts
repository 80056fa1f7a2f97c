/** The standard error stream, where the log goes unless a logging plugin is loaded. */

import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { LogCommand } from './log-command.ts';

const STDERR = 2;

/** Writes a line to the standard error stream, without waiting. */
export function writeError(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * True if the stream is the journal of systemd, which has a time for each line. The variable alone says nothing: it stays
 * when the stream is redirected. systemd.exec(5), JOURNAL_STREAM.
 */
export function isJournal(variable = process.env['JOURNAL_STREAM'], descriptor = STDERR): boolean {
  if (variable === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return variable === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** What `Logs.stamped` says. In UTC, RFC 3339. `now` in milliseconds since 1970. */
export function stamps(
  timestamp: 'auto' | 'yes' | 'no',
  isTimed = isJournal(),
  now = (): number => Date.now(),
): (line: string) => string {
  if (timestamp === 'no' || (timestamp === 'auto' && isTimed)) return (line) => line;
  return (line) => `${new Date(now()).toISOString()} ${line}`;
}

/** As `writeError`, with the time in front unless the reader of the stream adds it. */
export function timedErrors(): (line: string) => void {
  const stamped = stamps('auto');
  return (line) => writeError(stamped(line));
}

/** From a daemon to its workers and its successor, which find a null device there, and cannot know whose stream it was. */
const LED_AWAY = 'QPSMTPD_ERRORS_LED_AWAY';

/** True if the process that has started this one says so; takes it out of the environment. */
export function areErrorsLedAway(environment: NodeJS.ProcessEnv): boolean {
  const isLedAway = environment[LED_AWAY] !== undefined;
  Reflect.deleteProperty(environment, LED_AWAY);
  return isLedAway;
}

let areInSyslog = false;

/** What `areErrorsLedAway` of a process that this one starts has to find. */
export const environmentOfErrors = (): Readonly<Record<string, string>> =>
  areInSyslog ? { [LED_AWAY]: 'yes' } : {};

/** Facility mail, severity info. RFC 5424 section 6.2.1. */
const MAIL_INFO = '<22>';

/**
 * From now on what the process writes to its standard error stream goes to syslog: the descriptor leads nowhere, because it was a client's.
 * The program `logger` is started with the first line, since Node cannot speak to a local socket for whole messages.
 */
export function errorsToSyslog(): void {
  if (areInSyslog) return;
  areInSyslog = true;
  const args = ['--prio-prefix', `--id=${process.pid}`, '--tag', 'qpsmtpd'];
  const syslog = new LogCommand('logger', () => undefined, args);
  const stream = new Writable({
    decodeStrings: false,
    write: (text: string | Buffer, _encoding, done) => {
      for (const line of text.toString().split('\n')) if (line !== '') syslog.write(`${MAIL_INFO}${line}`);
      done();
    },
  });
  Object.defineProperty(process, 'stderr', { configurable: true, enumerable: true, value: stream });
}
