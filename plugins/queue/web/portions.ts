/** A message goes to a service in portions: what one has, how many go at a time and how long, and how each is told again. */

import { createHash } from 'node:crypto';
import type { MailObject, Recipient } from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';

/** What one request or one publication carries: the whole message, or the message for one of its recipients. */
export const PORTIONS = ['message', 'recipient'] as const;
export type Portion = (typeof PORTIONS)[number];

/**
 * The longest a message may take at all of its requests together. Below the answer of a queue plugin is given up (ten
 * times `plugin_timeout`, 300 s) and a client stops waiting for the reply to its final dot (RFC 5321 section 4.5.3.2.6).
 */
const WINDOW_MS = 240_000;

/** Runs `work` with a signal that fires at the end of the window, or together with the caller's own. */
export const withinWindow = <T>(
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => withDeadline(WINDOW_MS, signal, work);

/** Calls `work` for each item, at most `width` at a time, and keeps the order of the results. `work` must not reject. */
export async function mapAtMost<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

/** Fields that stay the same when a client tries again; the trace fields on top do not. RFC 5322 section 3.6.1 to 3.6.5. */
const LASTING_FIELDS = ['message-id', 'date', 'from', 'to', 'subject'];

/** What stays the same of a message whenever it comes: reverse-path, lasting fields and body. Reads the body once. */
export async function lastingDigest({ reversePath, message }: MailObject): Promise<string> {
  const hash = createHash('sha256').update(`${reversePath.toString()}\n`);
  for (const name of LASTING_FIELDS) hash.update(`${name}:${JSON.stringify(message.header.all(name))}\n`);
  for await (const block of message.body('crlf')) hash.update(block);
  return hash.digest('hex');
}

/** Names one message for these recipients: the same for every attempt, another for any other message or recipient. */
export function retryKey(digest: string, recipients: readonly Recipient[]): string {
  const paths = recipients.map(({ address }) => address.canonicalMailbox).sort();
  return createHash('sha256')
    .update(JSON.stringify([digest, ...paths]))
    .digest('hex')
    .slice(0, 40);
}
