/**
 * A log that always speaks for the same speaker. Plugins have one in every session, so it is a single object; its
 * functions are made when somebody takes them, and may be taken out of it.
 */

import { LogLevel, type Log } from '../../bindings/plugin/log-level.ts';
import type { Logger, Speaker } from './logger.ts';

/** Maps the level of a line to the one it is written at. */
export type LevelAdjustment = (level: LogLevel) => LogLevel;

export class BoundLogger implements Log {
  readonly #logger: Logger;
  readonly #speaker: Speaker;
  readonly #adjust: LevelAdjustment;

  constructor(logger: Logger, speaker: Speaker, adjust: LevelAdjustment) {
    this.#logger = logger;
    this.#speaker = speaker;
    this.#adjust = adjust;
  }

  get writes(): Log['writes'] {
    return (level) => this.#logger.writes(this.#adjust(level));
  }

  get at(): Log['at'] {
    return (level, text) => this.#logger.log(this.#adjust(level), text, this.#speaker);
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
