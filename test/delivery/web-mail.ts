/** Mail objects, terms and logs for tests of the outlets over HTTP and AMQP. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MailObject } from '../../bindings/plugin/delivery.ts';
import type { AmqpOptions, WebhookOptions } from '../../bindings/plugin/web-outlet-services.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import { collectingLogger } from '../plugins/plugin-context.ts';
import { folder } from '../message/folder.ts';
import { address, messageOf } from './transaction.ts';
import { PATIENCE_MS } from '../patience.ts';

export const MAIL = [
  'Received: from client by mx; Sun, 22 Nov 2026 19:00:00 +0000',
  'Message-ID: <m1@c.example>',
  'Date: Sun, 22 Nov 2026 18:59:59 +0000',
  'From: =?utf-8?q?J=C3=B6rg?= <s@c.example>',
  'To: One <one@d.example>, two@d.example',
  'Subject: a =?utf-8?q?caf=C3=A9?=',
  '',
  '.dot',
  'body',
  '',
].join('\r\n');

export function mailObject(
  text = MAIL,
  recipients: readonly string[] = ['one@d.example', 'two+tag@d.example'],
  more: Partial<MailObject> = {},
): MailObject {
  return {
    reversePath: address('s@c.example'),
    recipients: recipients.map((mailbox) => ({ address: address(mailbox), parameters: new Map() })),
    mailOptions: PLAIN_MAIL,
    message: messageOf(text),
    client: {
      ip: '192.0.2.7',
      port: 4000,
      host: 'client.example',
      helloHost: 'hello.example',
      protocol: 'ESMTP',
      user: undefined,
      localIp: '192.0.2.25',
      localPort: 25,
    },
    id: 'abc-1',
    ...more,
  };
}

export function secretsFile(text: string, mode = 0o600): string {
  const path = join(folder(), 'secrets');
  writeFileSync(path, text, { mode });
  return path;
}

const SHARED = {
  secretsFile: undefined,
  authoritiesFile: undefined,
  isPlainAllowed: false,
  per: undefined,
  maxOctets: undefined,
  connectTimeoutMs: PATIENCE_MS,
} as const;

export const webhookTerms = (url: string, more: Partial<WebhookOptions> = {}): WebhookOptions => ({
  ...SHARED,
  url,
  format: 'raw',
  requestTimeoutMs: PATIENCE_MS,
  maxConnections: 8,
  ...more,
});

export const amqpTerms = (url: string, more: Partial<AmqpOptions> = {}): AmqpOptions => ({
  ...SHARED,
  url,
  exchange: '',
  routingKey: 'mail',
  unroutable: 'defer',
  confirmTimeoutMs: PATIENCE_MS,
  maxInFlight: 10,
  ...more,
});

/** A log, and its lines as `LEVEL text`. */
export function logOf(): {
  log: ReturnType<ReturnType<typeof collectingLogger>['logger']['withContext']>;
  lines: string[];
} {
  const { logger, lines } = collectingLogger(LogLevel.DEBUG);
  return { log: logger.withContext({}), lines };
}
