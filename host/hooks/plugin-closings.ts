/**
 * Closes what plugins have opened (timers, connections, files) when the last session of their reading of the
 * configuration has ended.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Logger } from '../observe/logger.ts';
import { flightRecord, LAST_CALL, LAST_SEAT, NO_SEAT, numberOfCall } from '../observe/flight-record.ts';
import { showThrown } from './answer.ts';
import { callInScope } from './plugin-scope.ts';

export type CloseFunction = () => void | Promise<void>;

/** Less than the time a process has after its grace period. */
const EACH_WITHIN_MS = 1_000;
const ALL_WITHIN_MS = 2_000;

interface Closing {
  readonly plugin: string;
  readonly isBuiltIn: boolean;
  readonly close: CloseFunction;
}

export class PluginClosings {
  readonly #logger: Logger;
  readonly #closings: Closing[] = [];
  /** Deliveries by outlets of this reading: a spool's go on without a session. */
  #deliveries = 0;
  #onceIdle: (() => void) | undefined = undefined;
  #closed: Promise<void> | undefined = undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** A plugin that registers something after the end has it closed at once. */
  add(closing: Closing): void {
    if (this.#closed === undefined) this.#closings.push(closing);
    else void this.#run(closing, EACH_WITHIN_MS);
  }

  /** A delivery begins; the function returned says that it has ended. */
  beginDelivery(): () => void {
    this.#deliveries++;
    return () => {
      if (--this.#deliveries === 0) this.#onceIdle?.();
    };
  }

  /**
   * Runs everything once, last registered first, as soon as the last delivery has ended, or `atOnce`. Resolves when all
   * are done or late; never rejects.
   */
  close(atOnce = false): Promise<void> {
    this.#closed ??= this.#idle().then(() => this.#runAll());
    if (atOnce) this.#onceIdle?.();
    return this.#closed;
  }

  #idle(): Promise<void> {
    if (this.#deliveries === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onceIdle = resolve));
  }

  async #runAll(): Promise<void> {
    const until = performance.now() + ALL_WITHIN_MS;
    for (const closing of this.#closings.splice(0).reverse()) {
      await this.#run(closing, Math.min(EACH_WITHIN_MS, Math.max(0, until - performance.now())));
    }
  }

  /** Never rejects: what one plugin leaves undone must not keep the others from their end. */
  async #run({ plugin, isBuiltIn, close }: Closing, withinMs: number): Promise<void> {
    const blame = (thrown: unknown): void =>
      this.#log(LogLevel.CRIT, plugin, `FATAL PLUGIN ERROR [${plugin}]: onClose: ${showThrown(thrown)}`);
    flightRecord[LAST_CALL] = numberOfCall(plugin, 'onClose');
    flightRecord[LAST_SEAT] = NO_SEAT;
    const call = async (): Promise<void> => close();
    const done = (isBuiltIn ? call() : callInScope({ plugin, hook: undefined, blame }, call)).catch(blame);
    const waiting = new AbortController();
    const isLate = pause(withinMs, true, { signal: waiting.signal }).catch(() => false);
    if ((await Promise.race([done, isLate])) === true)
      this.#log(LogLevel.ERROR, plugin, 'onClose has not ended in time: nobody waits for it any longer');
    waiting.abort();
  }

  #log(level: LogLevel, plugin: string, text: string): void {
    this.#logger.log(level, text, { plugin });
  }
}
