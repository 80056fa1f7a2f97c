/** What has happened to a stored message: lines at the end of its file, from which everything else can be made anew. */

import type { HopReply } from '../../../bindings/plugin/delivery.ts';

/**
 * `expired`: no hop took it in time, which the sender is told like a refusal. `kept`: one or the other befell a report,
 * which cannot be reported: it stays for the operator to see.
 */
export type OutcomeKind = 'delivered' | 'deferred' | 'refused' | 'expired' | 'kept';

/** The same outcome for several recipients, who stand by their places in the envelope. */
export interface OutcomeGroup {
  readonly recipients: readonly number[];
  readonly kind: OutcomeKind;
  readonly reply: HopReply;
  readonly hop?: string | undefined;
}

export type HistoryEvent =
  | {
      readonly event: 'attempt';
      readonly ms: number;
      readonly destination: string;
      readonly outcomes: readonly OutcomeGroup[];
    }
  | { readonly event: 'delay-notice'; readonly ms: number; readonly destination: string }
  | { readonly event: 'held' | 'released'; readonly ms: number };

export const printEvent = (event: HistoryEvent): Buffer => Buffer.from(`${JSON.stringify(event)}\n`, 'utf8');

/** Reads the lines after the content. One that a crash cut short never counted: who wrote it had not finished. */
export function parseHistory(octets: Buffer): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  for (const line of octets.toString('utf8').split('\n')) {
    if (line === '') continue;
    try {
      events.push(JSON.parse(line) as HistoryEvent);
    } catch {
      continue;
    }
  }
  return events;
}

/** Where one recipient stands. */
export interface RecipientState {
  readonly kind: OutcomeKind | 'waiting';
  readonly reply: HopReply | undefined;
  readonly hop: string | undefined;
  /** When the last attempt ended, in milliseconds since the epoch. */
  readonly lastAttemptMs: number | undefined;
}

const WAITING: RecipientState = {
  kind: 'waiting',
  reply: undefined,
  hop: undefined,
  lastAttemptMs: undefined,
};

/** Everything the events add up to. */
export interface MessageState {
  readonly recipients: readonly RecipientState[];
  readonly isHeld: boolean;
  /** Attempts by destination. */
  readonly attempts: ReadonlyMap<string, number>;
  /** Destinations whose senders have been told of the delay. */
  readonly noticed: ReadonlySet<string>;
}

export function stateAfter(events: readonly HistoryEvent[], recipientCount: number): MessageState {
  const recipients: RecipientState[] = Array.from({ length: recipientCount }, () => WAITING);
  const attempts = new Map<string, number>();
  const noticed = new Set<string>();
  let isHeld = false;
  for (const event of events) {
    if (event.event === 'held') isHeld = true;
    else if (event.event === 'released') isHeld = false;
    else if (event.event === 'delay-notice') noticed.add(event.destination);
    else if (event.event === 'attempt') {
      attempts.set(event.destination, (attempts.get(event.destination) ?? 0) + 1);
      for (const group of event.outcomes) {
        const state = { kind: group.kind, reply: group.reply, hop: group.hop, lastAttemptMs: event.ms };
        for (const index of group.recipients) if (index < recipientCount) recipients[index] = state;
      }
    }
  }
  return { recipients, isHeld, attempts, noticed };
}

/** True for a recipient who is still to be served, or whose report is kept. */
export const isLeft = ({ kind }: RecipientState): boolean =>
  kind === 'waiting' || kind === 'deferred' || kind === 'kept';
