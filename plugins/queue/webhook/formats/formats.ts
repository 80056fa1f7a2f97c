/** How a message becomes an HTTP request: the inbound webhooks of those services, or the message as it is. */

import type { Portion } from '../../web/portions.ts';
import { mailgunBody, sendgridBody } from './forms.ts';
import { postmarkBody } from './postmark.ts';
import { type RequestBody, type Seal, type Share, pathText } from './request-body.ts';

/** The message itself, with envelope and client in header fields of the request. */
export function rawBody({ mail, recipients }: Share): RequestBody {
  const { client, reversePath, message, id } = mail;
  const headers: Record<string, string | readonly string[]> = {
    'X-Envelope-From': `<${encoded(pathText({ address: reversePath }))}>`,
    'X-Envelope-To': recipients.map((recipient) => `<${encoded(pathText(recipient))}>`),
    'X-Transaction-Id': encoded(id),
  };
  if (client !== undefined) {
    headers['X-Client-Ip'] = client.ip;
    if (client.host !== undefined) headers['X-Client-Host'] = encoded(client.host);
    if (client.helloHost !== undefined) headers['X-Client-Hello'] = encoded(client.helloHost);
    if (client.user !== undefined) headers['X-Client-User'] = encoded(client.user);
  }
  return { contentType: 'message/rfc822', headers, blocks: () => message.blocks('crlf') };
}

/**
 * Percent-encoded UTF-8 where it is no visible ASCII, and for what separates values: HTTP fields hold nothing else
 * (RFC 9110 section 5.5), and a client must not add a second path with a comma.
 */
const encoded = (text: string): string =>
  text.replace(/[^!-~]|[%,<>]/gu, (character) =>
    [...Buffer.from(character)]
      .map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );

/**
 * The relay ingress of Rails' Action Mailbox: the message itself. Envelope in fields on top, as mail servers hand mail to
 * programs: Action Mailbox routes by X-Original-To too, so that blind copies find their mailbox.
 */
export function actionMailboxBody({ mail, recipients }: Share): RequestBody {
  const fields = [
    `Return-Path: <${pathText({ address: mail.reversePath })}>`,
    ...recipients.map((recipient) => `X-Original-To: ${pathText(recipient)}`),
  ];
  const top = Buffer.from(fields.map((field) => `${field}\r\n`).join(''));
  return {
    contentType: 'message/rfc822',
    async *blocks() {
      yield top;
      yield* mail.message.blocks('crlf');
    },
  };
}

export const WEBHOOK_FORMATS = ['action-mailbox', 'mailgun', 'postmark', 'sendgrid', 'raw'] as const;

export interface WebhookFormat {
  /** What a request carries; the first is what it carries unless `per` says otherwise. */
  readonly portions: readonly Portion[];
  /** Recipients of one request at most: where they stand in fields of the request, servers allow about 8 KiB of those. */
  readonly maxRecipients: number;
  /** The message is taken apart in memory, so there is a limit to its size; others are streamed. */
  readonly maxOctets: number;
  /** Receivers tell our requests by the signing key alone. */
  readonly needsKey: boolean;
  body(share: Share, seal: Seal): RequestBody | Promise<RequestBody>;
}

const STREAMED = { maxRecipients: Infinity, maxOctets: Infinity, needsKey: false } as const;
const PARSED_OCTETS = 10_485_760;
/** Each path has up to 254 octets, RFC 5321 section 4.5.3.1.3, and up to three times as many when encoded. */
const RAW_RECIPIENTS = 10;

export const FORMATS: Readonly<Record<(typeof WEBHOOK_FORMATS)[number], WebhookFormat>> = {
  'action-mailbox': { ...STREAMED, portions: ['message', 'recipient'], body: actionMailboxBody },
  mailgun: { ...STREAMED, portions: ['recipient'], needsKey: true, body: mailgunBody },
  postmark: { ...STREAMED, portions: ['recipient'], maxOctets: PARSED_OCTETS, body: postmarkBody },
  sendgrid: { ...STREAMED, portions: ['message', 'recipient'], body: sendgridBody },
  raw: { ...STREAMED, portions: ['message', 'recipient'], maxRecipients: RAW_RECIPIENTS, body: rawBody },
};
