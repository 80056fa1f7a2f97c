/** The index of a spool: which messages there are, whose turn it is, and who works on what. */

import type { HopReply } from '../../../bindings/plugin/delivery.ts';
import type { HistoryEvent } from '../files/history.ts';
import { claimRound, releaseDead, type Claim, type Round, type RoundOptions } from './claim-round.ts';
import { IndexDatabase, type IndexRecords, type ReadRecords } from './index-database.ts';
import {
  heldOctets,
  type DestinationEntry,
  type IndexedMessage,
  type JobEntry,
  type Totals,
} from './index-entries.ts';
import { keys, partsOf } from './index-keys.ts';
import { leaseHolder, type LeaseHolder } from './lease.ts';
import { nextAgeMs, pauseAfter, type RetryTimes } from './schedule.ts';
import {
  claimEntry,
  closeDestination,
  destinationEntry,
  dropMessage,
  dropJob,
  growMessage,
  messageEntry,
  moveJob,
  openDestination,
  placeMessage,
  placeTotals,
  jobEntry,
  jobParts,
  totalsOf,
  unwrittenOf,
} from './job-places.ts';

/** Messages handed over in one go. */
const PIECE = 200;
/** How long a message that was let go has for an attempt before its age matters. */
const RELEASE_PAUSE_MS = 60_000;

/** What an attempt, or a notice, leads to. */
export type AttemptResult =
  /** No recipient of the job is left. */
  | { readonly kind: 'finished'; readonly isReached: boolean }
  /** `kept`: a report that can't leave. `isReached`: a hop has answered, so the others at the destination need not wait. */
  | {
      readonly kind: 'deferred' | 'kept';
      readonly to: readonly string[];
      readonly reply: HopReply;
      readonly hop: string | undefined;
      readonly isReached: boolean;
    }
  | { readonly kind: 'noticed' }
  /** As if it had never been claimed: it was called off before anything was sent. */
  | { readonly kind: 'untouched' };

/** What goes along with a result. */
export interface Settling {
  readonly nowMs: number;
  readonly times: RetryTimes;
  /** In [0, 1). */
  readonly chance: number;
  /** How long the file has become. */
  readonly fileOctets?: number | undefined;
  /** What could not be written there. */
  readonly unwritten?: HistoryEvent | undefined;
}

/** A message with what keeps its jobs waiting. */
export interface ListedMessage extends IndexedMessage {
  /** Those of its destinations that failed last time, by `keyPart`. */
  readonly failed: ReadonlyMap<string, DestinationEntry>;
}

export class SpoolIndex {
  readonly holder: LeaseHolder = leaseHolder();
  readonly #database: IndexDatabase;

  private constructor(database: IndexDatabase) {
    this.#database = database;
  }

  static async open(directory: string): Promise<SpoolIndex> {
    return new SpoolIndex(await IndexDatabase.open(directory));
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** False if the message was known already. Durable when it resolves. */
  add(message: IndexedMessage): Promise<boolean> {
    return this.#database.write((records) => placeMessage(records, message));
  }

  claim(options: Omit<RoundOptions, 'holder'>, from: string): Promise<Round> {
    return this.#database.write(
      (records) => claimRound(records, { ...options, holder: this.holder }, from),
      'claims',
    );
  }

  /** True if `claim` might find something; costs no transaction. */
  hasWork(nowMs: number): boolean {
    return this.#database.read((records) => {
      const isComing = (prefix: string): boolean =>
        records.keys(prefix, 1).some((key) => Number(partsOf(key)[0]) <= nowMs);
      return records.keys('o/', 1).length > 0 || isComing('w/') || isComing('p/') || isComing('a/');
    });
  }

  /** Returns how many jobs of dead processes may be tried again. `isActive`: this process works on a job. */
  releaseDead(nowMs: number, isActive: (id: string, dest: string) => boolean): Promise<number> {
    const hasLeases = this.#database.read((records) => records.keys('c/', 1).length > 0);
    if (!hasLeases) return Promise.resolve(0);
    return this.#database.write((records) => releaseDead(records, this.holder, nowMs, isActive));
  }

  /** Returns those of `claims` that are no longer ours. */
  renew(claims: readonly Claim[], expiresMs: number): Promise<readonly Claim[]> {
    return this.#database.write((records) => {
      const lost: Claim[] = [];
      for (const claim of claims) {
        if (!this.#isOurs(records, claim)) lost.push(claim);
        else
          records.put(keys.claim(claim.dest, claim.id), JSON.stringify({ holder: this.holder, expiresMs }));
      }
      return lost;
    });
  }

  /** Ends a claim. `gone`: nothing is left of the message. `lost`: another process has it, and nothing is changed. */
  settle(
    claim: Claim,
    result: AttemptResult,
    { nowMs, times, chance, fileOctets, unwritten }: Settling,
  ): Promise<'kept' | 'gone' | 'lost'> {
    return this.#database.write((records) => {
      const { id, dest } = claim;
      const job = jobEntry(records, id, dest);
      const message = messageEntry(records, id);
      // Also where another process has the message by now: a recipient that got it has got it.
      if (unwritten !== undefined && message !== undefined)
        records.put(keys.unwritten(id, dest), JSON.stringify(unwritten));
      if (job === undefined || message === undefined || !this.#isOurs(records, claim)) return 'lost';
      if (fileOctets !== undefined) growMessage(records, id, message, fileOctets);
      const isNoticed = job.isNoticed || result.kind === 'noticed';
      const ageMs = nextAgeMs(message.arrivedMs, times, isNoticed);
      const resting = message.isHeld ? 'held' : undefined;
      if (result.kind === 'finished') {
        if (result.isReached) openDestination(records, dest);
        dropJob(records, id, dest, job);
      } else if (result.kind === 'deferred') {
        const changes = defer(records, dest, job, result, { nowMs, times, chance });
        const { to, reply, hop } = result;
        const state = resting ?? changes.state ?? 'ready';
        moveJob(records, id, dest, job, { ...changes, state, to, reply, hop, ageMs });
      } else if (result.kind === 'kept') {
        if (result.isReached) openDestination(records, dest);
        const { to, reply, hop } = result;
        const tries = job.tries + 1;
        const keptMs = nowMs + times.keepReportsMs;
        moveJob(records, id, dest, job, {
          state: resting ?? 'kept',
          tries,
          to,
          reply,
          hop,
          ageMs: keptMs,
        });
      } else {
        const isWaiting = claim.job.state === 'waiting' && job.nextMs > nowMs;
        const state = resting ?? (isWaiting ? 'waiting' : 'ready');
        moveJob(records, id, dest, job, { state, isNoticed, ageMs });
      }
      return messageEntry(records, id) === undefined ? 'gone' : 'kept';
    });
  }

  /**
   * Writes what earlier attempts could not write, by `write`, which makes it durable. Rejects if it can't be written
   * now either: recipients that have the message would then get it again.
   */
  async writeRest(id: string, write: (event: HistoryEvent) => Promise<void>): Promise<void> {
    for (const [key, text] of this.#database.read((records) => unwrittenOf(records, id))) {
      await write(JSON.parse(text) as HistoryEvent);
      await this.#database.write((records) => {
        // An attempt that ended meanwhile may have left something else.
        if (records.get(key) === text) records.remove(key);
      });
    }
  }

  drop(id: string): Promise<void> {
    return this.#database.write((records) => dropMessage(records, id));
  }

  /** Holds a message, or lets it go; false if there is none. Attempts under way go on. */
  setHeld(id: string, isHeld: boolean, nowMs: number): Promise<boolean> {
    return this.#revise(id, (records, job, dest) => {
      const message = messageEntry(records, id)!;
      records.put(keys.message(id), JSON.stringify({ ...message, isHeld }));
      const isMoved = job.state !== 'claimed' && (isHeld || job.state === 'held');
      // A message that has grown too old meanwhile is tried once more before it is given up.
      const ageMs = Math.max(job.ageMs, nowMs + RELEASE_PAUSE_MS);
      if (isMoved) moveJob(records, id, dest, job, { state: isHeld ? 'held' : 'ready', ageMs });
    });
  }

  /** Makes all that waits, or is kept, ready, and its destinations open. What is held stays as it is, and its destinations too. */
  async retry(id: string, nowMs: number): Promise<'due' | 'held' | 'unknown'> {
    let isHeld = false;
    const isKnown = await this.#revise(id, (records, job, dest) => {
      isHeld = messageEntry(records, id)!.isHeld;
      if (isHeld) return;
      const failed = destinationEntry(records, dest);
      if (failed !== undefined) closeDestination(records, dest, { ...failed, retryAtMs: nowMs });
      if (job.state !== 'waiting' && job.state !== 'kept') return;
      const ageMs = Math.max(job.ageMs, nowMs + RELEASE_PAUSE_MS);
      moveJob(records, id, dest, job, { state: 'ready', nextMs: nowMs, ageMs });
    });
    if (!isKnown) return 'unknown';
    return isHeld ? 'held' : 'due';
  }

  /** Takes a message out if no attempt is under way. */
  async remove(id: string, nowMs: number): Promise<'removed' | 'busy' | 'unknown'> {
    await this.releaseDead(nowMs, () => false);
    return this.#database.write((records) => {
      if (messageEntry(records, id) === undefined) return 'unknown';
      const isBusy = jobParts(records, id).some((dest) => claimEntry(records, dest, id) !== undefined);
      if (isBusy) return 'busy';
      dropMessage(records, id);
      return 'removed';
    });
  }

  message(id: string): ListedMessage | undefined {
    return this.#database.read((records) => indexed(records, id));
  }

  totals(): Totals {
    return this.#database.read(totalsOf);
  }

  /** All messages, oldest ids first, in pieces; what comes and goes meanwhile may be missing. */
  *messages(): Iterable<readonly ListedMessage[]> {
    for (let after: string | undefined; ;) {
      const start = after === undefined ? 'm/' : `m/${after}0`;
      const ids = this.#database.read((records) =>
        records.keys('m/', PIECE, start).map((key) => partsOf(key)[0]!),
      );
      yield this.#database.read((records) =>
        ids.flatMap((id) => {
          const found = indexed(records, id);
          return found === undefined ? [] : [found];
        }),
      );
      if (ids.length < PIECE) return;
      after = ids.at(-1);
    }
  }

  /** Puts the right totals in place of those that were counted along. */
  async recount(): Promise<void> {
    let [messages, octets] = [0, 0];
    for (const piece of this.messages()) {
      messages += piece.length;
      for (const { message } of piece) octets += heldOctets(message);
    }
    await this.#database.write((records) => placeTotals(records, { messages, octets }));
  }

  #isOurs(records: IndexRecords, { dest, id }: Claim): boolean {
    return claimEntry(records, dest, id)?.holder.token === this.holder.token;
  }

  #revise(
    id: string,
    change: (records: IndexRecords, job: JobEntry, dest: string) => void,
  ): Promise<boolean> {
    return this.#database.write((records) => {
      if (messageEntry(records, id) === undefined) return false;
      for (const dest of jobParts(records, id)) {
        const job = jobEntry(records, id, dest);
        if (job !== undefined) change(records, job, dest);
      }
      return true;
    });
  }
}

function indexed(records: ReadRecords, id: string): ListedMessage | undefined {
  const message = messageEntry(records, id);
  if (message === undefined) return undefined;
  const jobs = new Map<string, JobEntry>();
  const failed = new Map<string, DestinationEntry>();
  for (const dest of jobParts(records, id)) {
    const job = jobEntry(records, id, dest);
    const destination = destinationEntry(records, dest);
    if (job !== undefined) jobs.set(dest, job);
    if (destination !== undefined) failed.set(dest, destination);
  }
  return { id, message, jobs, failed };
}

/**
 * How a job waits after a deferral. If a hop has answered, the message waits by itself. If none was reached, the
 * destination waits, and all that is ready there with it; a message whose attempt was the first to fail waits besides,
 * longer each time, so that one which kills its connections does not keep all others waiting.
 */
function defer(
  records: IndexRecords,
  dest: string,
  job: JobEntry,
  { isReached, reply }: { readonly isReached: boolean; readonly reply: HopReply },
  { nowMs, times, chance }: Settling,
): Partial<JobEntry> {
  const tries = job.tries + 1;
  const attempts = job.attempts + 1;
  const waits = {
    state: 'waiting',
    attempts,
    tries,
    nextMs: nowMs + pauseAfter(attempts, times, chance),
  } as const;
  if (isReached) {
    openDestination(records, dest);
    return waits;
  }
  const failed = destinationEntry(records, dest);
  if (failed !== undefined && failed.retryAtMs > nowMs) return waits;
  const failures = (failed?.failures ?? 0) + 1;
  closeDestination(records, dest, {
    failures,
    retryAtMs: nowMs + pauseAfter(failures, times, chance),
    reply,
  });
  return failed === undefined ? waits : { state: 'ready', attempts: job.attempts, tries };
}
