/** Recipients named more than once, maybe in several spellings: who hands a message on names each mailbox once. */

import type { NotifyEvent, Recipient, RecipientOptions } from './connection.ts';

/** What a sender hears of without NOTIFY. RFC 3461 section 4.1. */
const USUAL: readonly NotifyEvent[] = ['failure', 'delay'];
const EVENTS: readonly NotifyEvent[] = ['success', 'failure', 'delay'];

/**
 * Each mailbox once, as it was named first, in the order of the first. The sender is told of everything that was asked
 * for in any of them. The array itself if no recipient is named twice.
 */
export function withoutRepeats(recipients: readonly Recipient[]): readonly Recipient[] {
  if (recipients.length < 2) return recipients;
  const byMailbox = new Map<string, Recipient>();
  for (const recipient of recipients) {
    const mailbox = recipient.address.canonicalMailbox;
    const first = byMailbox.get(mailbox);
    byMailbox.set(mailbox, first === undefined ? recipient : joined(first, recipient));
  }
  return byMailbox.size === recipients.length ? recipients : [...byMailbox.values()];
}

function joined(first: Recipient, next: Recipient): Recipient {
  if (first.options === undefined && next.options === undefined) return first;
  const options: RecipientOptions = {
    notify: joinedEvents(first.options?.notify, next.options?.notify),
    originalRecipient: first.options?.originalRecipient ?? next.options?.originalRecipient,
  };
  return { ...first, options };
}

function joinedEvents(
  first: RecipientOptions['notify'],
  next: RecipientOptions['notify'],
): RecipientOptions['notify'] {
  const wanted = new Set([...(first ?? USUAL), ...(next ?? USUAL)]);
  wanted.delete('never');
  // No sender asked for more than the default, which is left to the next hop.
  if ((first === undefined || next === undefined) && !wanted.has('success')) return undefined;
  return wanted.size === 0 ? ['never'] : EVENTS.filter((event) => wanted.has(event));
}
