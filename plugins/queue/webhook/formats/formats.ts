/** How a message becomes an HTTP request: the inbound webhooks of those services, or the message as it is. */

import type { Portion } from '../../web/portions.ts';
import { mailgunBody, sendgridBody } from './forms.ts';
import { actionMailboxBody, rawBody } from './message-bodies.ts';
import { postmarkBody } from './postmark.ts';
import type { RequestBody, Seal, Share } from './request-body.ts';

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
