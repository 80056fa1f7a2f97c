/** Where jobs stand in the index: each is in one line at a time, and every move happens inside one transaction. */

import type { IndexRecords, ReadRecords } from './index-database.ts';
import {
  heldOctets,
  type ClaimEntry,
  type DestinationEntry,
  type IndexedMessage,
  type MessageEntry,
  type JobEntry,
  type Totals,
} from './index-entries.ts';
import { keys, partsOf } from './index-keys.ts';

function read<T>(records: ReadRecords, key: string): T | undefined {
  const text = records.get(key);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

export const messageEntry = (records: ReadRecords, id: string): MessageEntry | undefined =>
  read(records, keys.message(id));
export const jobEntry = (records: ReadRecords, id: string, dest: string): JobEntry | undefined =>
  read(records, keys.job(id, dest));
export const claimEntry = (records: ReadRecords, dest: string, id: string): ClaimEntry | undefined =>
  read(records, keys.claim(dest, id));
export const destinationEntry = (records: ReadRecords, dest: string): DestinationEntry | undefined =>
  read(records, keys.destination(dest));
/** Parts of the totals: more than there are processors on most machines. */
const TOTAL_PARTS = 16;
const OWN_TOTAL = keys.total(process.pid % TOTAL_PARTS);
const NOTHING: Totals = { messages: 0, octets: 0 };

export function totalsOf(records: ReadRecords): Totals {
  let [messages, octets] = [0, 0];
  for (const key of records.keys(keys.totals, TOTAL_PARTS + 1)) {
    const part = read<Totals>(records, key) ?? NOTHING;
    messages += part.messages;
    octets += part.octets;
  }
  return { messages: Math.max(0, messages), octets: Math.max(0, octets) };
}

/** Puts what was counted in place of what was counted along. */
export function placeTotals(records: IndexRecords, totals: Totals): void {
  for (const key of records.keys(keys.totals, TOTAL_PARTS + 1)) records.remove(key);
  records.put(keys.totals, JSON.stringify(totals));
}

/** More than an envelope has room for (16 MiB): what is left out of a list stays in the index for ever. */
const MAX_JOBS = 1_000_000;

export const jobParts = (records: ReadRecords, id: string): readonly string[] =>
  records.keys(keys.jobs(id), MAX_JOBS).map((key) => partsOf(key)[1]!);

/** What could not be written to the file of a message: key and JSON. */
export const unwrittenOf = (records: ReadRecords, id: string): readonly (readonly [string, string])[] =>
  records.keys(keys.allUnwritten(id), MAX_JOBS).map((key) => [key, records.get(key)!] as const);

const MARK = '1';

/** Writes the share and puts it in the line that its state names. A new one is in none before. */
export function placeJob(records: IndexRecords, id: string, dest: string, job: JobEntry): void {
  records.put(keys.job(id, dest), JSON.stringify(job));
  if (job.state === 'held') return;
  records.put(keys.age(job.ageMs, dest, id), MARK);
  if (job.state === 'waiting') records.put(keys.waiting(job.nextMs, dest, id), MARK);
  if (job.state !== 'ready') return;
  records.put(keys.ready(dest, job.order, id), MARK);
  // What is ready at a destination that failed waits until that is opened again, unless it is open by now.
  const failed = destinationEntry(records, dest);
  const isWaitedFor = failed !== undefined && records.get(keys.opening(failed.retryAtMs, dest)) !== undefined;
  if (!isWaitedFor) records.put(keys.open(dest), MARK);
}

/** Takes the job out of its line. */
export function liftJob(records: IndexRecords, id: string, dest: string, job: JobEntry): void {
  records.remove(keys.age(job.ageMs, dest, id));
  records.remove(keys.waiting(job.nextMs, dest, id));
  records.remove(keys.ready(dest, job.order, id));
  records.remove(keys.claim(dest, id));
}

export function moveJob(
  records: IndexRecords,
  id: string,
  dest: string,
  job: JobEntry,
  changes: Partial<JobEntry>,
): void {
  liftJob(records, id, dest, job);
  placeJob(records, id, dest, { ...job, ...changes });
}

/** The job is done with; the last one takes the message with it. */
export function dropJob(records: IndexRecords, id: string, dest: string, job: JobEntry): void {
  liftJob(records, id, dest, job);
  records.remove(keys.job(id, dest));
  if (records.keys(keys.jobs(id), 1).length === 0) dropMessage(records, id);
}

/** Takes in a message, unless it is known already. */
export function placeMessage(records: IndexRecords, { id, message, jobs }: IndexedMessage): boolean {
  if (records.get(keys.message(id)) !== undefined) return false;
  records.put(keys.message(id), JSON.stringify(message));
  count(records, 1, heldOctets(message));
  for (const [dest, job] of jobs) placeJob(records, id, dest, job);
  return true;
}

/** Counts what was added to the file of a message. It only grows: who saw it shorter looked earlier. */
export function growMessage(
  records: IndexRecords,
  id: string,
  message: MessageEntry,
  fileOctets: number,
): void {
  const growth = fileOctets - heldOctets(message);
  if (growth <= 0) return;
  records.put(keys.message(id), JSON.stringify({ ...message, fileOctets }));
  count(records, 0, growth);
}

/** Forgets a message and all of its jobs. */
export function dropMessage(records: IndexRecords, id: string): void {
  const message = messageEntry(records, id);
  for (const dest of jobParts(records, id)) {
    const job = jobEntry(records, id, dest);
    if (job !== undefined) liftJob(records, id, dest, job);
    records.remove(keys.job(id, dest));
  }
  for (const key of records.keys(keys.allUnwritten(id), MAX_JOBS)) records.remove(key);
  if (message === undefined) return;
  records.remove(keys.message(id));
  count(records, -1, -heldOctets(message));
}

function count(records: IndexRecords, messages: number, octets: number): void {
  const part = read<Totals>(records, OWN_TOTAL) ?? NOTHING;
  const totals: Totals = { messages: part.messages + messages, octets: part.octets + octets };
  records.put(OWN_TOTAL, JSON.stringify(totals));
}

/** The destination can't be reached: what is ready there waits until `retryAtMs`. */
export function closeDestination(records: IndexRecords, dest: string, entry: DestinationEntry): void {
  const before = destinationEntry(records, dest);
  if (before !== undefined) records.remove(keys.opening(before.retryAtMs, dest));
  records.put(keys.destination(dest), JSON.stringify(entry));
  records.put(keys.opening(entry.retryAtMs, dest), MARK);
  records.remove(keys.open(dest));
}

/** A hop of the destination has answered. */
export function openDestination(records: IndexRecords, dest: string): void {
  const before = destinationEntry(records, dest);
  if (before === undefined) return;
  records.remove(keys.opening(before.retryAtMs, dest));
  records.remove(keys.destination(dest));
  records.put(keys.open(dest), MARK);
}

/**
 * Nothing is ready there. That it failed is forgotten with the last message: a spool that has seen every domain that was ever
 * mistyped must not carry them along.
 */
export function leaveDestination(records: IndexRecords, dest: string): void {
  records.remove(keys.open(dest));
  const failed = destinationEntry(records, dest);
  if (failed === undefined || records.keys(keys.claims(dest), 1).length > 0) return;
  records.remove(keys.opening(failed.retryAtMs, dest));
  records.remove(keys.destination(dest));
}

/** The pause of a failed destination is over: it may be tried, by one message. */
export function tryDestination(records: IndexRecords, openingKey: string, dest: string): void {
  records.remove(openingKey);
  records.put(keys.open(dest), MARK);
}
