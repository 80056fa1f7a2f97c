/** What is published: the message, and around it the envelope as properties and headers. */

import { randomUUID } from 'node:crypto';
import type { Options } from 'amqplib';
import type { Address, MailObject, Recipient } from '../../../bindings/plugin/index.ts';
import { retryKey, type Portion } from '../web/portions.ts';

/** The headers of a publication must fit into one frame; each path has up to 254 octets. RFC 5321 section 4.5.3.1.3. */
const MAX_RECIPIENTS = 100;

export interface Publication {
  readonly routingKey: string;
  /** Positions in the mail object's recipients. */
  readonly indexes: readonly number[];
  readonly options: Options.Publish & { readonly messageId: string };
}

/** The recipients' publications, in no particular order; those without a usable routing key are in none. */
export function publicationsOf(
  mail: MailObject,
  options: { readonly routingKey: string; readonly per: Portion },
  { digest, now }: { readonly digest: string; readonly now: number },
): Publication[] {
  const byKey = new Map<string, number[][]>();
  mail.recipients.forEach(({ address }, index) => {
    const key = routingKeyOf(options.routingKey, address);
    if (key === undefined) return;
    const groups = byKey.get(key) ?? [];
    const last = groups.at(-1);
    const max = options.per === 'recipient' ? 1 : MAX_RECIPIENTS;
    if (last !== undefined && last.length < max) last.push(index);
    else groups.push([index]);
    byKey.set(key, groups);
  });
  return [...byKey].flatMap(([routingKey, groups]) =>
    groups.map((indexes) => {
      const recipients = indexes.map((index) => mail.recipients[index]!);
      return {
        routingKey,
        indexes,
        options: optionsOf(mail, recipients, retryKey(digest, recipients), now),
      };
    }),
  );
}

function optionsOf(
  { reversePath, client, id }: MailObject,
  recipients: readonly Recipient[],
  key: string,
  now: number,
): Publication['options'] {
  return {
    mandatory: true,
    persistent: true,
    contentType: 'message/rfc822',
    appId: 'qpsmtpd',
    // The transaction's id alone is not enough: it has to be unique to tell which message the broker returns.
    messageId: `${id}.${randomUUID()}`,
    timestamp: Math.floor(now / 1000),
    headers: {
      'transaction-id': id,
      'retry-key': key,
      'envelope-from': reversePath.toString(),
      'envelope-to': recipients.map(({ address }) => address.toString()),
      ...(client === undefined ? {} : { 'client-ip': client.ip, 'client-protocol': client.protocol }),
      ...(client?.host === undefined ? {} : { 'client-host': client.host }),
      ...(client?.helloHost === undefined ? {} : { 'client-hello': client.helloHost }),
      ...(client?.user === undefined ? {} : { 'client-user': client.user }),
    },
  };
}

/** AMQP keeps routing keys in short strings. AMQP 0-9-1 section 4.2.5.3. */
const MAX_KEY_OCTETS = 255;

/** Throws with a remedy if the pattern means nothing. */
export function checkRoutingKey(pattern: string): void {
  const odd = /%(?![ldu%])./.exec(pattern)?.[0] ?? (/(?:^|[^%])(?:%%)*%$/.test(pattern) ? '%' : undefined);
  if (odd !== undefined) {
    throw new Error(`routing_key: ${odd} means nothing (use %l, %d, %u, or %% for a percent sign)`);
  }
}

/**
 * The routing key of a recipient: %l (local part), %d (domain), %u (mailbox), in lower case and with A-labels, so that a
 * client can't miss a binding by writing in capitals or U-labels. Undefined if it would be too long for AMQP, or if there
 * can be no such domain.
 */
export function routingKeyOf(pattern: string, address: Address): string | undefined {
  const { canonicalDomain: domain, canonicalMailbox } = address;
  if (domain === undefined) return undefined;
  const mailbox = canonicalMailbox.toLowerCase();
  const localPart = domain === '' ? mailbox : mailbox.slice(0, -domain.length - 1);
  const values: Readonly<Record<string, string>> = { l: localPart, d: domain, u: mailbox, '%': '%' };
  const key = pattern.replace(/%([ldu%])/g, (_, letter: string) => values[letter]!);
  return Buffer.byteLength(key) > MAX_KEY_OCTETS ? undefined : key;
}
