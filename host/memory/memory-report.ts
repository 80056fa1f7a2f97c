/** Tells the operator when memory runs short, and when it is well again: a line for each stage, not one for each client. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Logger } from '../observe/logger.ts';
import { Stage, type MemoryBudget } from './memory-budget.ts';

/** The same stage is told of once in so long, however often memory comes and goes. */
const QUIET_MS = 60_000;

const LEVELS = [LogLevel.NOTICE, LogLevel.NOTICE, LogLevel.WARN, LogLevel.ALERT, LogLevel.ALERT] as const;

const WHAT_FOLLOWS = [
  'everybody is served again',
  'messages go to disk',
  'new mail is deferred (memory_budget, max_connections and max_from_ip decide how soon)',
  'new connections are turned away (memory_budget, max_connections and max_from_ip decide how soon)',
  'messages that cannot go to disk are deferred',
] as const;

export class MemoryReport {
  readonly #log: () => Pick<Logger, 'log'>;
  readonly #now: () => number;
  readonly #toldAt = WHAT_FOLLOWS.map(() => Number.NEGATIVE_INFINITY);
  #told: Stage = Stage.Ample;

  /** `log`: the one of the moment, which a reload may replace. */
  constructor(log: () => Pick<Logger, 'log'>, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** Of the budget: its stage has changed. Stages between the worst one logged and the end are not logged. */
  tell({ stage, used, limit }: MemoryBudget): void {
    const isBetter = stage < this.#told;
    if (isBetter && stage !== Stage.Ample) return;
    if (stage === this.#told || this.#isQuietAbout(stage)) return;
    this.#told = stage;
    this.#toldAt[stage] = this.#now();
    const share = `${mebibytes(used)} of ${mebibytes(limit)} MiB`;
    this.#log().log(LEVELS[stage], `memory: clients take up ${share}: ${WHAT_FOLLOWS[stage]}`);
  }

  /** The end is logged where its beginning was. */
  #isQuietAbout(stage: Stage): boolean {
    return stage !== Stage.Ample && this.#now() - this.#toldAt[stage]! < QUIET_MS;
  }
}

const mebibytes = (octets: number): string => (octets / 1_048_576).toFixed(1);
