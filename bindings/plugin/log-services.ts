/** Where logging plugins write. Part of `Services`. */

import type { LogEvent } from './hooks.ts';
import type { LogLevel } from './log-level.ts';

/**
 * Takes lines and writes them soon, in order and whole. Never throws: what can't be written is counted, and told on the
 * standard error stream.
 */
export interface LogOutput {
  /** `level` is for outputs that pass it on. */
  write(line: string, level?: LogLevel): void;
  /** What was written still goes out. */
  close(): void;
}

export interface SyslogTarget {
  /** The program's name in the log. */
  readonly ident: string;
  /** Numbers of RFC 5424 section 6.2.1: 2 is mail. */
  readonly facility: number;
  /**
   * Tried in this order: `unix` (/dev/log, or a path), `udp` and `tcp` (this host, or `udp://HOST:PORT`). RFC 5424 over the
   * network (RFC 5426, RFC 6587), what the local daemon expects on its socket.
   */
  readonly sockets: readonly string[];
}

/** Only for use by plugins with a `logging` hook. */
export interface Logs {
  /** Writes one line to the standard error stream. */
  writeError(line: string): void;
  /** Puts the time in front of lines for the standard error stream; `auto`: unless its reader knows the time (the journal). */
  stamped(timestamp: 'auto' | 'yes' | 'no'): (line: string) => string;
  /** Appends to a file, which is opened again when it was renamed or removed, as log rotation does. */
  file(path: string): LogOutput;
  /** Writes to the standard input of a shell command; one that ends is started again. */
  command(command: string): LogOutput;
  /** Throws for a socket that is none of the above. */
  syslog(target: SyslogTarget): LogOutput;
  /** Turns events into JSON, one object a line, as pino writes it. */
  json(): (event: LogEvent) => string;
}
