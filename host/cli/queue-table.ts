/** What `qpsmtpd queue` prints. Senders have chosen the addresses: control characters never reach the terminal. */

import type { IndexedMessage, ShareEntry } from '../delivery/spool/index-entries.ts';
import { maskControls } from '../message/field-text.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const QUEUE_HEADER = 'ID                       AGE   OCTETS  NEXT     FROM, TO, LAST REPLY';

/** `3h12m`, rounded down. */
export function printSpan(ms: number): string {
  const span = Math.max(0, ms);
  if (span < MINUTE) return `${Math.floor(span / 1_000)}s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)}m`;
  if (span < DAY) return `${Math.floor(span / HOUR)}h${Math.floor((span % HOUR) / MINUTE)}m`;
  return `${Math.floor(span / DAY)}d${Math.floor((span % DAY) / HOUR)}h`;
}

/** One row for each destination of a message. */
export function queueRows({ id, message, shares }: IndexedMessage, nowMs: number): string[] {
  const { arrivedMs, octets, from } = message;
  return [...shares.values()].map((share) => {
    const facts = [
      id,
      printSpan(nowMs - arrivedMs).padStart(7),
      String(octets).padStart(8),
      ` ${nextOf(share, nowMs).padEnd(8)}`,
      maskControls(`<${from}> ${share.to.map((mailbox) => `<${mailbox}>`).join(',')} ${replyOf(share)}`),
    ];
    return facts.join(' ').trimEnd();
  });
}

function nextOf({ state, nextMs }: ShareEntry, nowMs: number): string {
  if (state === 'waiting') return `in ${printSpan(nextMs - nowMs)}`;
  return state === 'claimed' ? 'sending' : state;
}

const replyOf = ({ reply, hop }: ShareEntry): string =>
  reply === undefined
    ? ''
    : `(${[hop, reply.code, reply.status, ...reply.lines].filter((part) => part !== undefined).join(' ')})`;

/** The same for programs: one object for each message. */
export const queueRecord = ({ id, message, shares }: IndexedMessage): object => ({
  id,
  arrived: new Date(message.arrivedMs).toISOString(),
  octets: message.octets,
  from: message.from,
  held: message.isHeld,
  destinations: [...shares.values()].map(({ destination, state, nextMs, tries, to, reply, hop }) => ({
    destination,
    state,
    next: state === 'waiting' ? new Date(nextMs).toISOString() : null,
    attempts: tries,
    to,
    reply: reply ?? null,
    hop: hop ?? null,
  })),
});
