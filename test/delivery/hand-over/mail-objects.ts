/** MailObjects, a log that collects, and programs made for a test. */

import { connect } from '../../../host/connect/connect.ts';
import { programs } from '../../../host/programs/programs.ts';
import { fakeHost } from '../../hooks/fake-system.ts';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { DeliveryReport, MailObject } from '../../../bindings/plugin/delivery.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import { PLAIN_MAIL } from '../../../host/session/envelope-parameters.ts';
import { collectingLogger } from '../../hooks/plugin-context.ts';
import { address, messageOf } from '../transaction.ts';
import { PATIENCE_MS } from '../../patience.ts';

export const TEXT = 'Message-Id: <1@c.example>\r\nSubject: hello\r\n\r\nbody\r\n.\r\n..dots\r\n';
export const TEXT_LF = TEXT.replaceAll('\r\n', '\n');

/** A mail object for `to`; `facts` go on top. */
export function mail({
  text = TEXT,
  from = 's@c.example',
  to = ['a@b.example'],
  ...facts
}: { text?: string; from?: string; to?: readonly string[] } & Partial<MailObject> = {}): MailObject {
  return {
    reversePath: address(from),
    recipients: to.map((mailbox) => ({ address: address(mailbox), parameters: new Map() })),
    mailOptions: PLAIN_MAIL,
    message: messageOf(text),
    client: undefined,
    id: 'c1',
    ...facts,
  };
}

/** The same, but its content fails while it is read. */
export function unreadable(): MailObject {
  const whole = mail();
  const blocks = async function* (): AsyncIterable<Buffer> {
    yield Buffer.from('Subject: half a mess');
    await Promise.resolve();
    throw new Error('EIO: the spool can not be read');
  };
  return { ...whole, message: { ...whole.message, header: whole.message.header, blocks } };
}

export function collectingLog(): { log: Log; lines: string[] } {
  const { logger, lines } = collectingLogger();
  return { log: logger.withContext({}), lines };
}

/** One line per recipient: `refused 554 5.3.0 text`. */
export const shown = (report: DeliveryReport): string[] =>
  report.map(({ kind, reply: { code, status, lines } }) =>
    [kind, code, ...(status === undefined ? [] : [status]), ...lines].join(' '),
  );

/** A folder for programs and for what they write, removed behind the last test. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-programs-'));
  #count = 0;

  constructor() {
    afterAll(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** An executable shell script with this body. */
  program(body: string): string {
    const path = this.path(`program-${++this.#count}`);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  }
}

export const LIMITS = { timeoutMs: PATIENCE_MS, processes: 4, waiting: 10 };
export const SYSTEM = {
  clock: { now: () => 1_700_000_000_123 },
  connect,
  programs,
  system: fakeHost(),
};
