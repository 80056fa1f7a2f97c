/**
 * The log of one process: lines with a level, handed to the logging plugins or, while there are none, written to the
 * standard error stream the way qpsmtpd does.
 */

import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import { type Log } from '../../bindings/plugin/log-level.ts';
import { formatLogLine } from '../../bindings/plugin/log-line.ts';
import type { HookName, LogEvent, LogRecord } from '../../bindings/plugin/hooks.ts';
import { conceal } from './conceal.ts';
import { logText } from './log-text.ts';
import { BoundLogger, type LevelAdjustment } from './bound-logger.ts';

/** Where lines go. */
export interface LogSink {
  /** The highest level it wants; -1 for none at all. */
  readonly upTo: LogLevel | -1;
  write(event: LogEvent): void;
}

/** The speaker, for a line of the log. */
export interface Speaker {
  readonly plugin?: string | undefined;
  readonly hook?: HookName | undefined;
  readonly connectionId?: string | undefined;
  readonly transactionId?: string | undefined;
  /** What the client has just entrusted to AUTH: a line that names any of it is not shown. */
  readonly secrets?: readonly string[] | undefined;
}

export class Logger {
  /** What the built-in sink writes up to, while it is the only one. */
  level: LogLevel;
  #sinks: readonly LogSink[] = [];
  /** The highest level any of the sinks wants. */
  #loudest: LogLevel | -1 = -1;
  readonly #writeError: (line: string) => void;

  constructor(level: LogLevel, writeError: (line: string) => void) {
    this.level = level;
    this.#writeError = writeError;
  }

  /** The given sinks take over from the built-in one; an empty list gives it back. */
  attach(sinks: readonly LogSink[]): void {
    this.#sinks = sinks;
    this.#loudest = sinks.reduce<LogLevel | -1>((most, { upTo }) => (upTo > most ? upTo : most), -1);
  }

  /** True if anybody wants lines of this level: others are not even formatted. */
  writes(level: LogLevel): boolean {
    return level <= (this.#sinks.length === 0 ? this.level : this.#loudest);
  }

  /** `record`: the fields of `text`, for logs that keep them apart. */
  log(level: LogLevel, text: string, speaker: Speaker = {}, record?: LogRecord): void {
    if (!this.writes(level)) return;
    const { plugin, hook, connectionId, transactionId, secrets } = speaker;
    const event: LogEvent = {
      level,
      text: logText(conceal(text, secrets)),
      plugin,
      hook,
      connectionId,
      transactionId,
      event: record,
    };
    if (this.#sinks.length === 0) this.#writeError(formatLogLine(event, process.pid));
    else for (const sink of this.#sinks) if (level <= sink.upTo) sink.write(event);
  }

  /** A log that always speaks as `speaker`; `adjust` maps the level of a line to the one it is written at. */
  speakingAs(speaker: Speaker, adjust: LevelAdjustment = unchanged): Log {
    return new BoundLogger(this, speaker, adjust);
  }
}

const unchanged: LevelAdjustment = (level) => level;
