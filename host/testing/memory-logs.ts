/** Where logging plugins write, in memory: `services.logs` of a test. */

import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { LogEvent } from '../../bindings/plugin/hooks.ts';
import type { LogOutput, Logs, SyslogTarget } from '../../bindings/plugin/log-services.ts';
import { stamps } from '../observe/error-stream.ts';

/** A line sent to syslog. */
export interface SyslogLine {
  readonly target: SyslogTarget;
  readonly line: string;
  readonly level: LogLevel | undefined;
}

export interface MemoryLogsOptions {
  /** The reader of the standard error stream knows the time, as the journal does, so `auto` writes none. Undefined: true. */
  readonly isTimed?: boolean | undefined;
  /** For the time in front of lines. */
  readonly now?: (() => number) | undefined;
}

export class MemoryLogs implements Logs {
  /** The standard error stream. */
  readonly errors: string[] = [];
  /** Lines by the path they were written to. */
  readonly files = new Map<string, string[]>();
  /** Lines by the command that was to read them. */
  readonly commands = new Map<string, string[]>();
  readonly syslogTargets: SyslogTarget[] = [];
  readonly syslogLines: SyslogLine[] = [];
  readonly stamped: Logs['stamped'];

  constructor({ isTimed = true, now }: MemoryLogsOptions = {}) {
    this.stamped = (timestamp) => stamps(timestamp, isTimed, now);
  }

  writeError(line: string): void {
    this.errors.push(line);
  }

  file(path: string): LogOutput {
    return outputInto(this.files, path);
  }

  command(command: string): LogOutput {
    return outputInto(this.commands, command);
  }

  syslog(target: SyslogTarget): LogOutput {
    this.syslogTargets.push(target);
    return {
      write: (line, level) => void this.syslogLines.push({ target, line, level }),
      close: () => undefined,
    };
  }

  /** The event itself, without what the server adds. */
  json(): (event: LogEvent) => string {
    return (event) => JSON.stringify(event);
  }
}

function outputInto(outputs: Map<string, string[]>, name: string): LogOutput {
  const lines = outputs.get(name) ?? [];
  outputs.set(name, lines);
  return { write: (line) => void lines.push(line), close: () => undefined };
}
