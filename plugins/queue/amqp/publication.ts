/** What is published: the message, and around it the envelope as properties and headers. */

import { randomUUID } from 'node:crypto';
import type { Options } from 'amqplib';
import type { Recipient } from '../../../bindings/plugin/connection.ts';
import type { MailObject } from '../../../bindings/plugin/delivery.ts';
import type { Portion } from '../../../bindings/plugin/web-outlet-services.ts';
import { retryKey } from '../web/retry-key.ts';
import { routingKeyOf } from './routing-key.ts';

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
  terms: { readonly routingKey: string; readonly per: Portion },
  { digest, now }: { readonly digest: string; readonly now: number },
): Publication[] {
  const byKey = new Map<string, number[][]>();
  mail.recipients.forEach(({ address }, index) => {
    const key = routingKeyOf(terms.routingKey, address);
    if (key === undefined) return;
    const groups = byKey.get(key) ?? [];
    const last = groups.at(-1);
    const max = terms.per === 'recipient' ? 1 : MAX_RECIPIENTS;
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
