/** Looks for work and does it, as long as the server runs. */

import type { Log } from '../../bindings/plugin/log-level.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { Claim, RoundOptions } from './index/claim-round.ts';
import { DeliveryAttempt, type AttemptParts } from './delivery-attempt.ts';
import type { SpoolIndex } from './index/spool-index.ts';

/** How often the index is looked at for what other processes, and the command line, have put there. */
const LOOK_MS = 500;
/** How often leases of dead processes are looked for. */
const DEAD_LOOK_MS = 5_000;
export const LEASE_MS = 60_000;
/** Rounds in one turn, before others get theirs. */
const MAX_ROUNDS = 50;
const SPOOL_FAILED = { code: 451, status: '4.3.0', lines: ['the spool failed'] };
/** After the grace, for outlets that were called off to report. */
const LAST_WAIT_MS = 2_000;

export interface RunnerParts {
  readonly index: SpoolIndex;
  readonly clock: Clock;
  readonly log: () => Log;
  readonly limits: () => Pick<RoundOptions, 'perDestination' | 'inAll' | 'lifeMs'>;
  /** What attempts that begin now work with. */
  readonly attemptParts: () => AttemptParts;
}

export class Runner {
  readonly #parts: RunnerParts;
  readonly #attempts = new Map<DeliveryAttempt, Promise<void>>();
  #looking: NodeJS.Timeout | undefined;
  #renewing: NodeJS.Timeout | undefined;
  /**
   * Claims whose end could not be written to the index either, with how to write it. They stay claimed until it can: an
   * attempt before that would not know which recipients have the message.
   */
  readonly #unsettled = new Map<Claim, () => Promise<unknown>>();
  #turn: Promise<void> | undefined;
  #isAskedAgain = false;
  #isStopped = false;
  #isResting = false;
  #next = '';
  #deadLookMs = Number.NEGATIVE_INFINITY;
  #complaint = '';

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Attempts under way in this process. */
  get busy(): number {
    return this.#attempts.size;
  }

  start(): void {
    if (this.#isStopped || this.#looking !== undefined) return;
    this.#looking = setInterval(() => void this.turn(), LOOK_MS).unref();
    this.#renewing = setInterval(() => void this.#renew(), LEASE_MS / 3).unref();
    void this.turn();
  }

  /** Looks for work once, and begins what there is; never rejects. A call during a turn brings another one. */
  turn(): Promise<void> {
    if (this.#isStopped || this.#isResting) return Promise.resolve();
    if (this.#turn !== undefined) {
      this.#isAskedAgain = true;
      return this.#turn;
    }
    this.#turn = this.#look().finally(() => {
      this.#turn = undefined;
      if (!this.#isAskedAgain) return;
      this.#isAskedAgain = false;
      void this.turn();
    });
    return this.#turn;
  }

  /** Like `turn`, once this process has been started. */
  wake(): void {
    if (this.#looking !== undefined) void this.turn();
  }

  /** Begins nothing more until it is told so: messages cannot be handed on. */
  rest(isResting: boolean): void {
    this.#isResting = isResting;
    if (!isResting) this.wake();
  }

  /** Begins nothing more and calls off what has not reached the data yet. */
  pause(): void {
    this.#isStopped = true;
    clearInterval(this.#looking);
    for (const attempt of this.#attempts.keys()) if (!attempt.isBeingSent) attempt.abort();
  }

  /** Waits until messages that are being sent are through, and calls off the rest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.pause();
    await this.#turn;
    await within(graceMs, this.idle());
    for (const attempt of this.#attempts.keys()) attempt.abort();
    await within(LAST_WAIT_MS, this.idle());
    clearInterval(this.#renewing);
    await this.#settleRest().catch((error: unknown) => this.#parts.log().error(String(error)));
  }

  /** Resolves when no attempt is under way. */
  async idle(): Promise<void> {
    while (this.#attempts.size > 0) await Promise.all(this.#attempts.values());
  }

  async #look(): Promise<void> {
    const { index, clock, log } = this.#parts;
    try {
      await this.#settleRest();
      const nowMs = clock.now();
      if (Math.abs(nowMs - this.#deadLookMs) >= DEAD_LOOK_MS) {
        this.#deadLookMs = nowMs;
        const count = await index.releaseDead(nowMs, (id, dest) => this.#isActive(id, dest));
        if (count > 0) log().notice(`${count} deliveries of dead processes are taken up again`);
      }
      for (let round = 0; round < MAX_ROUNDS && !this.#isStopped; round++) {
        if (!index.hasWork(clock.now()) || !(await this.#round())) break;
      }
      this.#complaint = '';
    } catch (error) {
      // Asked twice a second, a full disk would fill the log as well.
      if (String(error) !== this.#complaint) log().error(String(error));
      this.#complaint = String(error);
    }
  }

  /** True if there may be more to do at once. */
  async #round(): Promise<boolean> {
    const { index, clock, limits } = this.#parts;
    const options = { ...limits(), nowMs: clock.now(), leaseMs: LEASE_MS };
    const { claims, next, isUnfinished } = await index.claim(options, this.#next);
    this.#next = next;
    for (const claim of claims) this.#begin(claim);
    return isUnfinished;
  }

  #begin(claim: Claim): void {
    const { attemptParts } = this.#parts;
    const attempt = new DeliveryAttempt(claim, attemptParts());
    const ended = attempt
      .run()
      .catch((error: unknown) => this.#putOff(attempt, error))
      .finally(() => {
        this.#attempts.delete(attempt);
        this.wake();
      });
    this.#attempts.set(attempt, ended);
    if (this.#isStopped) attempt.abort();
  }

  #isActive(id: string, dest: string): boolean {
    const isThis = (claim: Claim): boolean => claim.id === id && claim.dest === dest;
    for (const { claim } of this.#attempts.keys()) if (isThis(claim)) return true;
    for (const claim of this.#unsettled.keys()) if (isThis(claim)) return true;
    return false;
  }

  /** The spool itself has failed, on a full disk for one: at once it would only fail again. */
  async #putOff({ claim, unwritten }: DeliveryAttempt, error: unknown): Promise<void> {
    const { index, clock, log, attemptParts } = this.#parts;
    const { times, random } = attemptParts();
    log().error(`${claim.id}: ${String(error)}`);
    const { to } = claim.job;
    const result = { kind: 'deferred', to, reply: SPOOL_FAILED, hop: undefined, isReached: true } as const;
    const settle = (): Promise<unknown> =>
      index.settle(claim, result, { nowMs: clock.now(), times, chance: random(), unwritten });
    await settle().catch((cause: unknown) => {
      log().error(`${claim.id}: ${String(cause)}`);
      this.#unsettled.set(claim, settle);
    });
  }

  /** Rejects at the first that can't be written yet. */
  async #settleRest(): Promise<void> {
    for (const [claim, settle] of this.#unsettled) {
      await settle();
      this.#unsettled.delete(claim);
    }
  }

  /** A process that was stopped for longer than its leases last must not go on sending what others send by now. */
  async #renew(): Promise<void> {
    const { index, clock, log } = this.#parts;
    const attempts = [...this.#attempts.keys()];
    const claims = [...attempts.map(({ claim }) => claim), ...this.#unsettled.keys()];
    if (claims.length === 0) return;
    try {
      const lost = new Set(await index.renew(claims, clock.now() + LEASE_MS));
      for (const attempt of attempts) {
        if (lost.has(attempt.claim) && this.#attempts.has(attempt)) attempt.abort();
      }
    } catch (error) {
      log().error(String(error));
    }
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
