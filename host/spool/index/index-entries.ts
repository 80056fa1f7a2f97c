/** What the index holds: made from the files, and made anew from them if it is lost. */

import type { HopReply } from '../../../bindings/plugin/delivery.ts';
import type { StoredEnvelope } from '../files/envelope.ts';
import { isLeft, stateAfter, type HistoryEvent } from '../files/history.ts';
import { keyPart } from './index-keys.ts';
import type { Lease } from './lease.ts';
import type { StoredSize } from '../files/message-file.ts';
import { nextAgeMs, type RetryTimes } from './schedule.ts';

export interface MessageEntry {
  readonly arrivedMs: number;
  readonly order: string;
  /** Octets of the content. */
  readonly octets: number;
  /** Octets of the whole file, with what has happened to it; undefined: not known, and taken for those of the content. */
  readonly fileOctets?: number | undefined;
  /** Mailbox of the reverse-path; '' for bounces. */
  readonly from: string;
  readonly isHeld: boolean;
}

export interface JobEntry {
  readonly order: string;
  readonly destination: string;
  /** Mailboxes of those who are left. */
  readonly to: readonly string[];
  /** `kept`: a report that can't leave; it goes when its age is up. */
  readonly state: 'ready' | 'waiting' | 'claimed' | 'held' | 'kept';
  /** When it may be tried again; of use while it waits. */
  readonly nextMs: number;
  /** Attempts in which a hop answered: they decide how long to wait. */
  readonly attempts: number;
  /** All attempts. */
  readonly tries: number;
  readonly isNoticed: boolean;
  /** Where its `a/` key is. */
  readonly ageMs: number;
  readonly reply?: HopReply | undefined;
  readonly hop?: string | undefined;
}

export interface DestinationEntry {
  /** Attempts in a row that reached no hop. */
  readonly failures: number;
  readonly retryAtMs: number;
  readonly reply: HopReply | undefined;
}

export interface Totals {
  readonly messages: number;
  /** Of the files: what hops answer is kept there too, and would otherwise fill the disk past every limit. */
  readonly octets: number;
}

/** What the message counts for in the totals. */
export const heldOctets = ({ octets, fileOctets = octets }: MessageEntry): number => fileOctets;

export type ClaimEntry = Lease;

export interface IndexedMessage {
  readonly id: string;
  readonly message: MessageEntry;
  /** By `keyPart` of the destination. */
  readonly jobs: ReadonlyMap<string, JobEntry>;
}

/** The entries of a message, from its file alone. Without jobs it has been dealt with. */
export function entriesOf(
  envelope: StoredEnvelope,
  { contentOctets, fileOctets }: StoredSize,
  events: readonly HistoryEvent[],
  times: RetryTimes,
): IndexedMessage {
  const { id, arrivedMs, order, reversePath, recipients } = envelope;
  const state = stateAfter(events, recipients.length);
  const jobs = new Map<string, JobEntry>();
  const mailboxes = new Map<string, string[]>();
  recipients.forEach(({ address, destination }, index) => {
    const { kind, reply, hop, lastAttemptMs = arrivedMs } = state.recipients[index]!;
    if (!isLeft(state.recipients[index]!)) return;
    const part = keyPart(destination);
    const known = jobs.get(part);
    // One list that grows: a copy for each of many recipients would stop all sessions for minutes.
    const to = mailboxes.get(part) ?? [];
    to.push(address.mailbox);
    mailboxes.set(part, to);
    const isNoticed = state.noticed.has(destination);
    const tries = state.attempts.get(destination) ?? 0;
    jobs.set(part, {
      order,
      destination,
      to,
      state: state.isHeld ? 'held' : kind === 'kept' ? 'kept' : 'ready',
      nextMs: arrivedMs,
      attempts: tries,
      tries,
      isNoticed,
      ageMs: kind === 'kept' ? lastAttemptMs + times.keepReportsMs : nextAgeMs(arrivedMs, times, isNoticed),
      reply: reply ?? known?.reply,
      hop: hop ?? known?.hop,
    });
  });
  const { isHeld } = state;
  const from = reversePath.mailbox;
  return { id, message: { arrivedMs, order, octets: contentOctets, fileOctets, from, isHeld }, jobs };
}
