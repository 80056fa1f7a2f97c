/** The outputs of this process. Two plugins, or a plugin before and after a reload, that name the same file share it. */

import { createRequire } from 'node:module';
import type { pino as Pino } from 'pino';
import type { LogEvent } from '../../bindings/plugin/hooks.ts';
import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { LogOutput, Logs } from '../../bindings/plugin/log-services.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { stamps } from './error-stream.ts';
import { LogCommand } from './log-command.ts';
import { LogFile } from './log-file.ts';
import { openSyslog } from './syslog-output.ts';

interface SharedFile {
  readonly file: LogFile;
  users: number;
}

const files = new Map<string, SharedFile>();

/** The logs of one generation of the configuration. */
export interface ClosableLogs extends Logs {
  /** Closes every output that was opened; lines on their way still go out. */
  close(): void;
}

/** `complain` must not lead back into the log. In a rehearsal files are looked at, and nothing is written or started. */
export function makeLogs(
  hostName: string,
  writeError: (line: string) => void,
  rehearsal?: Rehearsal,
): ClosableLogs {
  const outputs = new Set<LogOutput>();
  const opened = (output: LogOutput): LogOutput => {
    outputs.add(output);
    const close = (): void => {
      if (outputs.delete(output)) output.close();
    };
    return { write: (line, level) => output.write(line, level), close };
  };
  return {
    writeError,
    stamped: (timestamp) => stamps(timestamp),
    file: (path) => opened(rehearsal === undefined ? shareFile(path, writeError) : lookAt(path, rehearsal)),
    command: (command) => opened(rehearsal === undefined ? new LogCommand(command, writeError) : NOWHERE),
    syslog: (target) => {
      const output = openSyslog(target, hostName, writeError);
      return opened(rehearsal === undefined ? output : NOWHERE);
    },
    json: () => jsonLines(hostName),
    close: () => {
      for (const output of outputs) output.close();
      outputs.clear();
    },
  };
}

/** Every log file of this process is closed, and opened again for its next line. */
export function reopenLogFiles(): void {
  for (const { file } of files.values()) file.reopen();
}

const NOWHERE: LogOutput = { write: () => undefined, close: () => undefined };

function lookAt(path: string, rehearsal: Rehearsal): LogOutput {
  try {
    rehearsal.append(path);
    return NOWHERE;
  } catch (cause) {
    const remedy = `let user ${process.geteuid!()} write there, or name another file`;
    const problem = `the log file ${path} can't be written: ${(cause as Error).message}`;
    throw new QpsmtpdError('Q_CONFIG', `${problem} (${remedy})`, { cause });
  }
}

function shareFile(path: string, complain: (problem: string) => void): LogOutput {
  let shared = files.get(path);
  if (shared === undefined) {
    shared = { file: new LogFile(path, complain), users: 0 };
    files.set(path, shared);
  }
  const { file } = shared;
  // An operator that has it opened again by HUP expects the new file, if the old one was moved away.
  file.lookAgain();
  shared.users++;
  const close = (): void => {
    if (--shared.users > 0) return;
    files.delete(path);
    file.close();
  };
  return { write: (line) => file.write(line), close };
}

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

/** Thirty files: most processes write no JSON, and one that serves a single client has no time to lose. */
const loadPino = (): typeof Pino => (createRequire(import.meta.url)('pino') as { pino: typeof Pino }).pino;

/** A function that makes a line of JSON, without its end, of an event of the log. What does not apply is left out. */
export function jsonLines(hostName: string): (event: LogEvent) => string {
  let line = '';
  const destination = {
    write: (text: string): void => {
      line = text.trimEnd();
    },
  };
  const pino = loadPino();
  const base = { pid: process.pid, hostname: hostName, name: 'qpsmtpd' };
  const logger = pino({ base, level: 'trace', timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return ({ level, text, plugin, hook, connectionId, transactionId, event }) => {
    const ids = { connection: connectionId, transaction: transactionId };
    const fields = { severity: level, ...ids, plugin, hook, event };
    logger[METHODS[level]](fields, text);
    return line;
  };
}
