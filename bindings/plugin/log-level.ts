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
