import { createHash } from 'node:crypto';
import type { Recipient } from '../../../bindings/plugin/connection.ts';
import type { MailObject } from '../../../bindings/plugin/delivery.ts';

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
