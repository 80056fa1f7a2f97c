/** Outlets that hand messages to programs over HTTP and AMQP. Part of `Services`. */

import type { Outlet } from './delivery.ts';
import type { Log } from './log-level.ts';

/** How a message becomes an HTTP request: the inbound webhooks of those services, or the message as it is. */
export const WEBHOOK_FORMATS = ['action-mailbox', 'mailgun', 'postmark', 'sendgrid', 'raw'] as const;
export type WebhookFormatName = (typeof WEBHOOK_FORMATS)[number];

/** What one request or one publication carries: the whole message, or the message for one of its recipients. */
export const PORTIONS = ['message', 'recipient'] as const;
export type Portion = (typeof PORTIONS)[number];

interface WebOutletOptions {
  /** The place of the service. May hold no password: what stands in a plugin's line is no secret. */
  readonly url: string;
  /** A file that only the daemon's user may read. Undefined: the service asks for nothing. */
  readonly secretsFile: string | undefined;
  /** PEM file of the authorities that are trusted instead of the system's. */
  readonly authoritiesFile: string | undefined;
  /** Without TLS to other hosts than this one: mail and password can be read on the way. */
  readonly isPlainAllowed: boolean;
  readonly per: Portion | undefined;
  /** Larger messages are refused; undefined: the outlet's own limit. */
  readonly maxOctets: number | undefined;
  readonly connectTimeoutMs: number;
}

export interface WebhookOptions extends WebOutletOptions {
  readonly format: WebhookFormatName;
  /** From the beginning of a request to the end of its answer. */
  readonly requestTimeoutMs: number;
  /** Requests at the same time; others wait. */
  readonly maxConnections: number;
}

export interface AmqpOptions extends WebOutletOptions {
  /** `''` is the default exchange, which routes by the names of queues. */
  readonly exchange: string;
  /** Pattern with %l (local part), %d (domain), %u (mailbox), both in lower case. */
  readonly routingKey: string;
  /** What becomes of a message no queue was bound for. */
  readonly unroutable: 'defer' | 'refuse';
  /** From publishing to the broker's confirmation. */
  readonly confirmTimeoutMs: number;
  /** Messages at the same time; others wait. */
  readonly maxInFlight: number;
}

/** Both are only for use while a plugin is set up, and throw with a remedy if a term or a file does not fit. */
export interface WebOutlets {
  webhook(terms: WebhookOptions, log: Log): Outlet;
  /** Connects when there is something to publish. */
  amqp(terms: AmqpOptions, log: Log): Outlet;
}
