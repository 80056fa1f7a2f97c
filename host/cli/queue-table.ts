/** What `qpsmtpd queue` prints. Senders have chosen the addresses: control characters never reach the terminal. */

import type { HopReply } from '../../bindings/plugin/delivery.ts';
import type { DestinationEntry, JobEntry } from '../spool/index/index-entries.ts';
import type { ListedMessage } from '../spool/index/spool-index.ts';
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

/** Where a job stands, its destination included: a ready job waits as long as its destination cannot be reached. */
function standing(
  job: JobEntry,
  failed: DestinationEntry | undefined,
  nowMs: number,
): { readonly state: string; readonly nextMs: number | undefined; readonly reply: HopReply | undefined } {
  const { state, nextMs, reply = failed?.reply } = job;
  const openMs = failed?.retryAtMs ?? 0;
  if (state === 'waiting') return { state, nextMs: Math.max(nextMs, openMs), reply };
  if (state === 'ready' && openMs > nowMs) return { state: 'waiting', nextMs: openMs, reply };
  return { state, nextMs: undefined, reply };
}

/** One row for each destination of a message. */
export function queueRows({ id, message, jobs, failed }: ListedMessage, nowMs: number): string[] {
  const { arrivedMs, octets, from } = message;
  return [...jobs].map(([dest, job]) => {
    const { state, nextMs, reply } = standing(job, failed.get(dest), nowMs);
    const next = nextMs === undefined ? nameOf(state) : `in ${printSpan(nextMs - nowMs)}`;
    const to = job.to.map((mailbox) => `<${mailbox}>`).join(',');
    const facts = [
      id,
      printSpan(nowMs - arrivedMs).padStart(7),
      String(octets).padStart(8),
      ` ${next.padEnd(8)}`,
      maskControls(`<${from}> ${to} ${printReply(reply, job.hop)}`),
    ];
    return facts.join(' ').trimEnd();
  });
}

const nameOf = (state: string): string => (state === 'claimed' ? 'sending' : state);

const printReply = (reply: HopReply | undefined, hop: string | undefined): string =>
  reply === undefined
    ? ''
    : `(${[hop, reply.code, reply.status, ...reply.lines].filter((part) => part !== undefined).join(' ')})`;

/** The same for programs: one object for each message. */
export const queueRecord = ({ id, message, jobs, failed }: ListedMessage, nowMs: number): object => ({
  id,
  arrived: new Date(message.arrivedMs).toISOString(),
  octets: message.octets,
  from: message.from,
  held: message.isHeld,
  destinations: [...jobs].map(([dest, job]) => {
    const { state, nextMs, reply } = standing(job, failed.get(dest), nowMs);
    return {
      destination: job.destination,
      state,
      next: nextMs === undefined ? null : new Date(nextMs).toISOString(),
      attempts: job.tries,
      to: job.to,
      reply: reply ?? null,
      hop: job.hop ?? null,
    };
  }),
});
