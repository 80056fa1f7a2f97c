import type { LogEvent } from './hooks.ts';

/** qpsmtpd's log levels: the lower, the graver. */
export const LogLevel = {
  RADAR: 0,
  EMERG: 0,
  ALERT: 1,
  CRIT: 2,
  ERROR: 3,
  WARN: 4,
  NOTICE: 5,
  INFO: 6,
  DEBUG: 7,
} as const;
export type LogLevel = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

const BY_NAME = new Map<string, LogLevel>(Object.entries(LogLevel).map(([name, level]) => [name, level]));

/** Reads `4`, `LOGWARN` or `warn`; undefined for anything else. */
export function parseLogLevel(text: string): LogLevel | undefined {
  if (/^[0-7]$/.test(text)) return Number(text) as LogLevel;
  return BY_NAME.get(text.toUpperCase().replace(/^LOG/, ''));
}

/** Writes to the log of one plugin in one session. Control characters are made visible, secrets never passed. */
export interface Log {
  /** True if a line of this level would be written: ask before building a costly text. */
  writes(level: LogLevel): boolean;
  at(level: LogLevel, text: string): void;
  error(text: string): void;
  warn(text: string): void;
  notice(text: string): void;
  info(text: string): void;
  debug(text: string): void;
}

/**
 * A line of the log in qpsmtpd's form: `PID (hook) plugin: text`. One process serves many connections, so the
 * connection stands after the process id where there is one.
 */
export function formatLogLine(event: LogEvent, processId: number): string {
  const { text, plugin, hook, connectionId } = event;
  const session = connectionId === undefined ? '' : ` [${connectionId}]`;
  return `${processId}${session}${source(plugin, hook)} ${text}`;
}

function source(plugin: string | undefined, hook: string | undefined): string {
  if (plugin === undefined) return hook === undefined ? '' : ` (${hook}) running plugin:`;
  return hook === undefined ? ` ${plugin}:` : ` (${hook}) ${plugin}:`;
}

/**
 * A line as qpsmtpd's other logging plugins write it, with something else than the process in front: `NAME plugin
 * plugin: text`.
 */
export function formatNamedLine(name: string, { text, plugin, hook }: LogEvent): string {
  if (plugin !== undefined) return `${name} ${plugin} plugin: ${text}`;
  return hook === undefined ? `${name} ${text}` : `${name} running plugin (${hook}): ${text}`;
}
