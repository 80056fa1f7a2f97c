/** Events of the log as JSON, written by pino. */

import { pino } from 'pino';
import type { LogEvent } from '../../bindings/plugin/hooks.ts';
import type { LogLevel } from '../../bindings/plugin/log-level.ts';

/** pino knows six levels, the gravest of which ends a program; ours are in `severity`, as syslog numbers them. */
const METHODS: Readonly<Record<LogLevel, 'fatal' | 'error' | 'warn' | 'info' | 'debug'>> = {
  0: 'fatal',
  1: 'fatal',
  2: 'fatal',
  3: 'error',
  4: 'warn',
  5: 'info',
  6: 'info',
  7: 'debug',
};

/** A function that makes a line, without its end, of an event. What does not apply is left out. */
export function jsonLines(hostName: string): (event: LogEvent) => string {
  let line = '';
  const destination = {
    write: (text: string): void => {
      line = text.trimEnd();
    },
  };
  const base = { pid: process.pid, hostname: hostName, name: 'qpsmtpd' };
  const logger = pino({ base, level: 'trace', timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return ({ level, text, plugin, hook, connectionId, transactionId, event }) => {
    const ids = { connection: connectionId, transaction: transactionId };
    const fields = { severity: level, ...ids, plugin, hook, event };
    logger[METHODS[level]](fields, text);
    return line;
  };
}
