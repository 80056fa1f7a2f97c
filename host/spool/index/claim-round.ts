/** One look for work, inside one transaction: what has become due, and as much of it as there are free places. */

import type { IndexRecords } from './index-database.ts';
import type { JobEntry } from './index-entries.ts';
import { isDue, keys, partsOf } from './index-keys.ts';
import { isOver, type Lease, type LeaseHolder } from './lease.ts';
import {
  claimEntry,
  destinationEntry,
  leaveDestination,
  messageEntry,
  moveJob,
  jobEntry,
  tryDestination,
} from './job-places.ts';

/** Moves of one round: all processes wait for its transaction. */
const MAX_MOVES = 200;
/** Leases looked at in one go; there are never many more than attempts at a time. */
const MAX_LEASES = 2_000;
/** Destinations looked at in one round. */
const MAX_DESTINATIONS = 200;
/** How long a job whose age matters is left alone while an attempt is under way, or while it is about to be tried. */
const AGE_PAUSE_MS = 60_000;
/** From so many failures on, every other try is made by the second message: the first may be what fails. */
const SUSPICIOUS_FAILURES = 5;

export interface RoundOptions {
  readonly nowMs: number;
  readonly holder: LeaseHolder;
  readonly leaseMs: number;
  /** Attempts at a time, at one destination and in all processes together. */
  readonly perDestination: number;
  readonly inAll: number;
  /** Messages older than this have reached the end of their life. */
  readonly lifeMs: number;
}

/** What a job was claimed for: an attempt, or what its age asks for. */
export interface Claim {
  readonly id: string;
  readonly dest: string;
  readonly job: JobEntry;
  readonly purpose: 'attempt' | 'delay-notice' | 'expiry';
}

export interface Round {
  readonly claims: readonly Claim[];
  /** The destination to begin the next round with, so that none has to wait for those before it in the alphabet. */
  readonly next: string;
  /** There may be more to do at once. */
  readonly isUnfinished: boolean;
}

export function claimRound(records: IndexRecords, options: RoundOptions, from: string): Round {
  const active = countClaims(records, options.inAll);
  const claims: Claim[] = [];
  const moved = wakeJobs(records, options.nowMs) + openDestinations(records, options.nowMs);
  const aged = claimAged(records, options, claims);
  let free = options.inAll - active.total - claims.length;
  const open = destinationsFrom(records, from);
  let next = '';
  for (const dest of open) {
    next = dest;
    if (free <= 0) break;
    const taken = claimAt(
      records,
      dest,
      Math.min(free, freeAt(records, dest, options, active)),
      options,
      claims,
    );
    free -= taken;
  }
  const isUnfinished = moved >= MAX_MOVES || aged >= MAX_MOVES || open.length >= MAX_DESTINATIONS;
  return { claims, next: free <= 0 ? next : '', isUnfinished };
}

/** Puts back what dead processes held; returns how much that was. */
export function releaseDead(
  records: IndexRecords,
  holder: LeaseHolder,
  nowMs: number,
  isActive: (id: string, dest: string) => boolean,
): number {
  let released = 0;
  for (const key of records.keys('c/', MAX_LEASES)) {
    const [dest, id] = partsOf(key) as [string, string];
    const claim = claimEntry(records, dest, id);
    if (claim === undefined || !isOver(claim, holder, nowMs, () => isActive(id, dest))) continue;
    const job = jobEntry(records, id, dest);
    if (job === undefined) records.remove(key);
    else moveJob(records, id, dest, job, { state: isHeld(records, id) ? 'held' : 'ready' });
    released++;
  }
  return released;
}

const isHeld = (records: IndexRecords, id: string): boolean => messageEntry(records, id)?.isHeld === true;

interface Active {
  total: number;
  readonly byDestination: Map<string, number>;
}

function countClaims(records: IndexRecords, inAll: number): Active {
  const found = records.keys('c/', inAll + MAX_MOVES);
  const byDestination = new Map<string, number>();
  for (const key of found) {
    const dest = partsOf(key)[0]!;
    byDestination.set(dest, (byDestination.get(dest) ?? 0) + 1);
  }
  return { total: found.length, byDestination };
}

/** A destination that failed last time is tried by one message first. */
function freeAt(records: IndexRecords, dest: string, options: RoundOptions, active: Active): number {
  const places = destinationEntry(records, dest) === undefined ? options.perDestination : 1;
  return places - (active.byDestination.get(dest) ?? 0);
}

function wakeJobs(records: IndexRecords, nowMs: number): number {
  let moves = 0;
  for (const key of records.keys('w/', MAX_MOVES)) {
    if (!isDue(key, nowMs)) break;
    const [, dest, id] = partsOf(key) as [string, string, string];
    const job = jobEntry(records, id, dest);
    if (job === undefined) records.remove(key);
    else moveJob(records, id, dest, job, { state: 'ready' });
    moves++;
  }
  return moves;
}

function openDestinations(records: IndexRecords, nowMs: number): number {
  let moves = 0;
  for (const key of records.keys('p/', MAX_MOVES)) {
    if (!isDue(key, nowMs)) break;
    tryDestination(records, key, partsOf(key)[1]!);
    moves++;
  }
  return moves;
}

function claimAged(records: IndexRecords, options: RoundOptions, claims: Claim[]): number {
  let moves = 0;
  for (const key of records.keys('a/', MAX_MOVES)) {
    if (!isDue(key, options.nowMs)) break;
    const [, dest, id] = partsOf(key) as [string, string, string];
    const [job, message] = [jobEntry(records, id, dest), messageEntry(records, id)];
    moves++;
    if (job === undefined || message === undefined) {
      records.remove(key);
      continue;
    }
    const isExpired = options.nowMs >= message.arrivedMs + options.lifeMs;
    // A message that was never tried is not given up, however long the daemon was down.
    const isUntried = isExpired && job.tries === 0 && destinationEntry(records, dest) === undefined;
    if (job.state === 'claimed' || isUntried) {
      records.remove(key);
      const later = { ...job, ageMs: options.nowMs + AGE_PAUSE_MS };
      records.put(keys.job(id, dest), JSON.stringify(later));
      records.put(keys.age(later.ageMs, dest, id), '1');
      continue;
    }
    const purpose = isExpired || job.state === 'kept' ? 'expiry' : 'delay-notice';
    claims.push(claim(records, id, dest, job, purpose, options));
  }
  return moves;
}

function destinationsFrom(records: IndexRecords, from: string): readonly string[] {
  const names = (found: readonly string[]): string[] => found.map((key) => partsOf(key)[0]!);
  const behind = names(records.keys('o/', MAX_DESTINATIONS, keys.open(from)));
  if (from === '' || behind.length >= MAX_DESTINATIONS) return behind;
  const before = names(records.keys('o/', MAX_DESTINATIONS - behind.length)).filter((dest) => dest < from);
  return [...behind, ...before];
}

function claimAt(
  records: IndexRecords,
  dest: string,
  places: number,
  options: RoundOptions,
  claims: Claim[],
): number {
  if (places <= 0) return 0;
  const failures = destinationEntry(records, dest)?.failures ?? 0;
  const skips = failures >= SUSPICIOUS_FAILURES && failures % 2 === 1 ? 1 : 0;
  const found = records.keys(keys.readyAt(dest), places + skips);
  if (found.length === 0) leaveDestination(records, dest);
  let taken = 0;
  for (const key of found.slice(Math.min(skips, found.length - 1))) {
    if (taken >= places) break;
    const [, , id] = partsOf(key) as [string, string, string];
    const job = jobEntry(records, id, dest);
    if (job === undefined) {
      records.remove(key);
      continue;
    }
    claims.push(claim(records, id, dest, job, 'attempt', options));
    taken++;
  }
  return taken;
}

function claim(
  records: IndexRecords,
  id: string,
  dest: string,
  job: JobEntry,
  purpose: Claim['purpose'],
  { nowMs, leaseMs, holder }: RoundOptions,
): Claim {
  moveJob(records, id, dest, job, {
    state: 'claimed',
    // Its age comes up again after the lease, should it not be settled.
    ageMs: Math.max(job.ageMs, nowMs + AGE_PAUSE_MS),
  });
  const lease: Lease = { holder, expiresMs: nowMs + leaseMs };
  records.put(keys.claim(dest, id), JSON.stringify(lease));
  return { id, dest, job, purpose };
}
