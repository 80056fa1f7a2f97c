/**
 * The memory that all clients of one process together may use. Code that keeps octets for a client reports them, and
 * reports again when they are gone: counts are estimates, but every one of them is given back. RFC 5321 section 4.5.3.1
 * lets a server run short, and has replies for it.
 *
 * `MemoryReport` tells the operator when memory runs short, and when it is well again: a line for each stage, not one for each client.
 */

import { NOT_IN_SET, DenseSet } from '../../bindings/timing/dense-set.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Logger } from '../observe/logger.ts';

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

/** How short memory is. Each stage brings what those before it bring. */
export const Stage = {
  Ample: 0,
  /** Messages go to disk. */
  Spill: 1,
  /** No further transactions and recipients. */
  Defer: 2,
  /** No further connections. */
  TurnAway: 3,
  /** Messages that cannot go to disk are given up. */
  Full: 4,
} as const;
export type Stage = 0 | 1 | 2 | 3 | 4;

/** Where each stage begins, as a share of the limit. */
const MARKS = [0, 1 / 2, 3 / 4, 7 / 8, 1] as const;
/** A stage ends so far below its mark that it does not come and go with every message. */
const RESUME = 7 / 8;
/** After so large a share of the limit has come on top, it is looked again for messages to spill. */
const STEP = 1 / 32;

/** A message in memory that could be on disk. */
export interface Spillable {
  /** For `MemoryBudget` alone; begins as `NOWHERE`. */
  listedAt: number;
  /** Octets that would go to disk. */
  readonly octetsInMemory: number;
  spill(): void;
}

export class MemoryBudget {
  #limit = Number.POSITIVE_INFINITY;
  #used = 0;
  #backlog = 0;
  #stage: Stage = Stage.Ample;
  /** Between these two there is nothing to do. */
  #above = Number.POSITIVE_INFINITY;
  #below = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  readonly #messages = new DenseSet<'listedAt', Spillable>('listedAt');
  readonly #onStage: (budget: MemoryBudget) => void;

  /** `onStage` is told of every change of `stage`. */
  constructor(onStage: (budget: MemoryBudget) => void = () => undefined) {
    this.#onStage = onStage;
  }

  /** Octets. */
  get limit(): number {
    return this.#limit;
  }

  /** `Infinity`: no limit. */
  set limit(octets: number) {
    this.#limit = octets;
    this.#look();
  }

  /** Octets kept. */
  get used(): number {
    return this.#used;
  }

  get stage(): Stage {
    return this.#stage;
  }

  get spillsMessages(): boolean {
    return this.#stage >= Stage.Spill;
  }

  get defersMail(): boolean {
    return this.#stage >= Stage.Defer;
  }

  get turnsAway(): boolean {
    return this.#stage >= Stage.TurnAway;
  }

  get isFull(): boolean {
    return this.#stage === Stage.Full;
  }

  /** So many octets more are kept, or fewer; `backlog` of them are on their way to the disk. */
  adjust(octets: number, backlog = 0): void {
    this.#used += octets;
    this.#backlog += backlog;
    if (this.#used > this.#above || this.#used < this.#below) this.#look();
  }

  /** `message` is large enough to be worth a file. */
  list(message: Spillable): void {
    this.#messages.add(message);
  }

  unlist(message: Spillable): void {
    if (message.listedAt !== NOT_IN_SET) this.#messages.delete(message);
  }

  #look(): void {
    // What is spilled below comes back here.
    if (this.#isLooking) return;
    this.#isLooking = true;
    if (this.#resting > this.#limit * MARKS[Stage.Spill]) this.#spill();
    this.#isLooking = false;
    const before = this.#stage;
    this.#stage = this.#stageOf(before);
    this.#above = this.#nextLook();
    this.#below =
      this.#stage === Stage.Ample ? Number.NEGATIVE_INFINITY : this.#limit * MARKS[this.#stage] * RESUME;
    if (this.#stage !== before) this.#onStage(this);
  }

  /** Octets that will not be gone by themselves once the disk has taken its backlog. */
  get #resting(): number {
    return this.#used - this.#backlog;
  }

  /** The largest messages first: they are the fewest files, and those of clients that keep silent are among them. */
  #spill(): void {
    const messages: Spillable[] = [];
    this.#messages.forEach((message) => messages.push(message));
    messages.sort((a, b) => b.octetsInMemory - a.octetsInMemory);
    const enough = this.#limit * MARKS[Stage.Spill] * RESUME;
    for (const message of messages) {
      if (this.#resting <= enough) return;
      message.spill();
    }
  }

  #stageOf(before: Stage): Stage {
    let stage: number = before;
    while (stage < Stage.Full && this.#used > this.#limit * MARKS[stage + 1]!) stage++;
    while (stage > Stage.Ample && this.#used < this.#limit * MARKS[stage]! * RESUME) stage--;
    return stage as Stage;
  }

  #nextLook(): number {
    const mark =
      this.#stage === Stage.Full ? Number.POSITIVE_INFINITY : this.#limit * MARKS[this.#stage + 1]!;
    return this.#stage === Stage.Ample ? mark : Math.min(mark, this.#used + this.#limit * STEP);
  }
}

/** For memory that is not counted. */
export const UNCOUNTED = new MemoryBudget();
