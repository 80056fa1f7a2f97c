/** Mail objects, and outlets with their logs, for tests of the outlets over HTTP and AMQP. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock, MailObject, Outlet, Setup } from '../../bindings/plugin/index.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { SystemFiles } from '../../host/services/files.ts';
import { systemClock } from '../../host/services/services.ts';
import { webClient } from '../../host/http/web-client.ts';
import { workers } from '../../host/workers/thread-pool.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import { AmqpOutlet, type AmqpOptions } from '../../plugins/queue/amqp/amqp-outlet.ts';
import { WebhookOutlet, type WebhookOptions } from '../../plugins/queue/webhook/webhook-outlet.ts';
import { collectingLogger, fakeConfig, fakeServices } from '../hooks/plugin-context.ts';
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

const ignore = (): void => undefined;

/** What plugins are given at start, over the real system; closed at the end of the test. */
function setupOf<O>(
  options: O,
  clock: Clock,
): { setup: Setup<O>; lines: string[]; close: () => Promise<void> } {
  const closings: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closing of closings.splice(0).reverse()) await closing();
  };
  onTestFinished(close);
  const { log, lines } = logOf();
  const services = fakeServices({ clock, http: webClient, workers, files: new SystemFiles(clock) });
  const config = fakeConfig({});
  const onClose: Setup<O>['onClose'] = (closing) => void closings.push(closing);
  const setup = { name: 'test', options, config, log, services, onClose, onCheck: ignore };
  return { setup, lines, close };
}

interface Opened {
  readonly outlet: Outlet;
  readonly lines: string[];
  /** What a reload does, and the end of the test. */
  readonly close: () => Promise<void>;
}

const SHARED = { insecure: false, connect_timeout: PATIENCE_MS / 1_000 } as const;

/** Times in seconds, as in the plugin's line. */
export function webhookOutlet(
  url: string,
  more: Partial<WebhookOptions> = {},
  clock: Clock = systemClock,
): Opened {
  const options = { ...SHARED, format: 'raw', request_timeout: PATIENCE_MS / 1_000, connections: 8 } as const;
  const { setup, lines, close } = setupOf<WebhookOptions>({ ...options, url, ...more }, clock);
  return { outlet: new WebhookOutlet(setup), lines, close };
}

export function amqpOutlet(url: string, more: Partial<AmqpOptions> = {}): Opened {
  const options = {
    ...SHARED,
    exchange: '',
    routing_key: 'mail',
    unroutable: 'defer',
    in_flight: 10,
  } as const;
  const { setup, lines, close } = setupOf<AmqpOptions>(
    { ...options, confirm_timeout: PATIENCE_MS / 1_000, url, ...more },
    systemClock,
  );
  return { outlet: new AmqpOutlet(setup), lines, close };
}

/** A log, and its lines as `LEVEL text`. */
function logOf(): {
  log: ReturnType<ReturnType<typeof collectingLogger>['logger']['withContext']>;
  lines: string[];
} {
  const { logger, lines } = collectingLogger(LogLevel.DEBUG);
  return { log: logger.withContext({}), lines };
}
