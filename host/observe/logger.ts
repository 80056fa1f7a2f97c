/**
 * The log of one process: lines with a level, handed to the logging plugins or, while there are none, written to the
 * standard error stream the way qpsmtpd does.
 */

import { LogLevel, type Log } from '../../bindings/plugin/log-level.ts';
import type { HookName, LogEvent } from '../../bindings/plugin/hooks.ts';

export type LogSink = (event: LogEvent) => void;

/** Who speaks, for a line of the log. */
export interface Speaker {
  readonly plugin?: string | undefined;
  readonly hook?: HookName | undefined;
  readonly connectionId?: string | undefined;
}

export class Logger {
  /** Lines above this level are not even formatted. */
  level: LogLevel;
  #sinks: readonly LogSink[] = [];
  readonly #writeError: (line: string) => void;

  constructor(level: LogLevel, writeError: (line: string) => void) {
    this.level = level;
    this.#writeError = writeError;
  }

  /** The given sinks take over from the built-in one; an empty list gives it back. Each filters by itself. */
  attach(sinks: readonly LogSink[]): void {
    this.#sinks = sinks;
  }

  writes(level: LogLevel): boolean {
    return this.#sinks.length > 0 || level <= this.level;
  }

  log(level: LogLevel, text: string, speaker: Speaker = {}): void {
    if (!this.writes(level)) return;
    const event: LogEvent = {
      level,
      text: visible(text),
      plugin: speaker.plugin,
      hook: speaker.hook,
      connectionId: speaker.connectionId,
    };
    if (this.#sinks.length === 0) this.#writeError(formatLine(event));
    else for (const sink of this.#sinks) sink(event);
  }

  /** A log that always speaks as `speaker`; `adjust` maps the level of a line to the one it is written at. */
  speakingAs(speaker: Speaker, adjust: (level: LogLevel) => LogLevel = (level) => level): Log {
    const at = (level: LogLevel, text: string): void => this.log(adjust(level), text, speaker);
    return {
      writes: (level) => this.writes(adjust(level)),
      at,
      error: (text) => at(LogLevel.ERROR, text),
      warn: (text) => at(LogLevel.WARN, text),
      notice: (text) => at(LogLevel.NOTICE, text),
      info: (text) => at(LogLevel.INFO, text),
      debug: (text) => at(LogLevel.DEBUG, text),
    };
  }
}

/** `PID (hook) plugin: text`, with the connection in front of the text where there is one. */
export function formatLine({ text, plugin, hook, connectionId }: LogEvent): string {
  const at = hook === undefined ? '' : ` (${hook})`;
  const who = plugin === undefined ? '' : ` ${plugin}:`;
  const session = connectionId === undefined ? '' : ` [${connectionId}]`;
  return `${process.pid}${session}${at}${who} ${text}`;
}

// eslint-disable-next-line no-control-regex -- these are the octets that must not reach a terminal or a log
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * Control characters as `\xNN`: a client must not be able to forge log lines or to send escape sequences to the
 * terminal of whoever reads the log.
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
