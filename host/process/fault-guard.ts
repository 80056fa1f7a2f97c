/** Uncaught errors: logged, survived, and counted. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { attributeError } from '../hooks/plugin-scope.ts';
import type { Logger } from '../observe/logger.ts';

/** So many uncaught exceptions within a minute are survived; with one more the process is no longer trusted. */
const TOLERATED = 10;
const WINDOW_MS = 60_000;
const FRAMES = 10;

export interface FaultSource {
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown;
}

/** Where faults are told: the log of the moment, which a reload may replace. */
export type FaultLog = Pick<Logger, 'log'>;

/** The log that the daemon has when the fault comes. */
export const logOf = (daemon: { readonly logger: Logger }): FaultLog => ({
  log: (...line) => daemon.logger.log(...line),
});

/**
 * Keeps one faulty plugin from ending every session of the process. An uncaught exception may have left something half
 * done, so a process that collects them is drained and replaced. An error of a plugin is dealt with there: it is
 * logged, and too much of it takes the plugin out.
 */
export class FaultGuard {
  readonly #logger: FaultLog;
  readonly #onTooMany: () => void;
  readonly #now: () => number;
  #times: number[] = [];
  #isSpent = false;

  constructor(logger: FaultLog, onTooMany: () => void, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#onTooMany = onTooMany;
    this.#now = now;
  }

  watch(source: FaultSource): void {
    source.on('uncaughtException', (error) => this.exception(error));
    source.on('unhandledRejection', (reason) => this.rejection(reason));
  }

  exception(error: unknown): void {
    if (attributeError(error)) return;
    this.#logger.log(LogLevel.CRIT, `uncaught exception: ${traceOf(error)}`);
    if (this.#isSpent) return;
    const now = this.#now();
    this.#times = this.#times.filter((time) => now - time < WINDOW_MS);
    this.#times.push(now);
    if (this.#times.length <= TOLERATED) return;
    this.#isSpent = true;
    this.#logger.log(
      LogLevel.CRIT,
      `more than ${TOLERATED} uncaught exceptions in a minute: this process ends`,
    );
    this.#onTooMany();
  }

  rejection(reason: unknown): void {
    if (attributeError(reason)) return;
    this.#logger.log(LogLevel.CRIT, `unhandled rejection: ${traceOf(reason)}`);
  }
}

/** Message and first frames in one line, since the log is one of lines. */
function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return describe(error);
  const [first = '', ...frames] = (error.stack ?? error.message).split('\n');
  return [first, ...frames.slice(0, FRAMES).map((frame) => frame.trim())].join(' ');
}

/** Anything can be thrown, also objects that throw again when they are printed. */
function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'a value that cannot be printed';
  }
}
