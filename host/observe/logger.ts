/**
 * The log of one process: lines with a level, handed to the logging plugins or, while there are none, written to the
 * standard error stream the way qpsmtpd does.
 */

import type { HookName, LogEvent, LogRecord } from '../../bindings/plugin/hooks.ts';
import { LogLevel, type Log, formatLogLine } from '../../bindings/plugin/log-level.ts';
import { conceal, logText } from './log-text.ts';

/** Where lines go. */
export interface LogSink {
  /** The highest level it wants; -1 for none at all. */
  readonly upTo: LogLevel | -1;
  write(event: LogEvent): void;
}

/** What a line of the log is about. */
export interface LogContext {
  readonly plugin?: string | undefined;
  readonly hook?: HookName | undefined;
  readonly connectionId?: string | undefined;
  readonly transactionId?: string | undefined;
  /** Secrets the client has just sent in AUTH: a line that holds one is not shown. */
  readonly secrets?: readonly string[] | undefined;
}

export class Logger {
  /** The highest level of the built-in sink, while it is the only one. */
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

  /** True if a sink wants lines of this level: others are not even formatted. */
  writes(level: LogLevel): boolean {
    return level <= (this.#sinks.length === 0 ? this.level : this.#loudest);
  }

  /** `record`: the fields of `text`, for logs that keep them apart. */
  log(level: LogLevel, text: string, context: LogContext = {}, record?: LogRecord): void {
    if (!this.writes(level)) return;
    const { plugin, hook, connectionId, transactionId, secrets } = context;
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

  /** A log whose lines all have `context`; `adjust` maps the level of a line to the one it is written at. */
  withContext(context: LogContext, adjust: LevelAdjustment = unchanged): Log {
    return new BoundLogger(this, context, adjust);
  }
}

const unchanged: LevelAdjustment = (level) => level;

/** Maps the level of a line to the one it is written at. */
export type LevelAdjustment = (level: LogLevel) => LogLevel;

/**
 * A log whose lines all have the same context. Plugins have one in every session, so it is a single object; its functions are made
 * when they are taken, and may be taken out of it.
 */
export class BoundLogger implements Log {
  readonly #logger: Logger;
  readonly #context: LogContext;
  readonly #adjust: LevelAdjustment;

  constructor(logger: Logger, context: LogContext, adjust: LevelAdjustment) {
    this.#logger = logger;
    this.#context = context;
    this.#adjust = adjust;
  }

  get writes(): Log['writes'] {
    return (level) => this.#logger.writes(this.#adjust(level));
  }

  get at(): Log['at'] {
    return (level, text) => this.#logger.log(this.#adjust(level), text, this.#context);
  }

  get error(): Log['error'] {
    return this.#always(LogLevel.ERROR);
  }

  get warn(): Log['warn'] {
    return this.#always(LogLevel.WARN);
  }

  get notice(): Log['notice'] {
    return this.#always(LogLevel.NOTICE);
  }

  get info(): Log['info'] {
    return this.#always(LogLevel.INFO);
  }

  get debug(): Log['debug'] {
    return this.#always(LogLevel.DEBUG);
  }

  #always(level: LogLevel): (text: string) => void {
    return (text) => this.at(level, text);
  }
}

const nothing = (): void => undefined;

/** A log that writes nothing: for commands that report by other means, and for sinks that must not log themselves. */
export const silence: Log = {
  writes: () => false,
  at: nothing,
  error: nothing,
  warn: nothing,
  notice: nothing,
  info: nothing,
  debug: nothing,
};
