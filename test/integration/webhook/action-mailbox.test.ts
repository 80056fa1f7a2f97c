/** Rails' Action Mailbox takes what queue/webhook posts, in each of the formats it knows. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from '../daemon.ts';
import { describeWith } from '../needs.ts';
import { ActionMailbox } from './action-mailbox.ts';

const run = promisify(execFile);

describeWith('puma', 'ruby-rails ruby-actionmailbox puma ruby-sqlite3')('Action Mailbox routes', () => {
  const workplace = new Workplace();
  let application: ActionMailbox;
  let daemon: RunningDaemon;

  const secrets = (name: string, ...lines: string[]): string => {
    const path = join(workplace.folder, name);
    writeFileSync(path, lines.join('\n'), { mode: 0o600 });
    return path;
  };

  beforeAll(async () => {
    application = await ActionMailbox.start();
    const good = secrets(
      'good',
      'username=actionmailbox',
      `password=${ActionMailbox.password}`,
      `signing_key=${ActionMailbox.signingKey}`,
    );
    const bad = secrets(
      'bad',
      'username=actionmailbox',
      'password=wrong',
      'signing_key=wrong wrong wrong wrong',
    );
    const at = (ingress: string, format: string, file: string): string =>
      `webhook ${application.url(ingress)} ${format} secrets ${file}`;
    const routes = {
      'relay.test': at('relay/inbound_emails', 'action-mailbox', good),
      'mailgun.test': at('mailgun/inbound_emails/mime', 'mailgun', good),
      'postmark.test': at('postmark/inbound_emails', 'postmark', good),
      'sendgrid.test': at('sendgrid/inbound_emails', 'sendgrid', good),
      'badrelay.test': at('relay/inbound_emails', 'action-mailbox', bad),
      'badmailgun.test': at('mailgun/inbound_emails/mime', 'mailgun', bad),
      'form.test': at('relay/inbound_emails', 'sendgrid', good),
    };
    workplace.write({
      rcpthosts: Object.keys(routes).join('\n'),
      routes: Object.entries(routes)
        .map((route) => route.join(' '))
        .join('\n'),
      plugins: 'rcpt_ok\nqueue/routes',
      loglevel: '6',
    });
    daemon = await RunningDaemon.start(workplace);
  });
  afterAll(async () => {
    await daemon?.end();
    await application?.stop();
    workplace.remove();
  });

  /** Sends a message and returns the reply to its end. */
  async function send(data: Buffer, ...recipients: string[]): Promise<string> {
    const file = join(workplace.folder, 'message');
    writeFileSync(file, data);
    const words = [
      '--server',
      `127.0.0.1:${daemon.port}`,
      '--from',
      'a@b.example',
      '--to',
      recipients.join(','),
    ];
    const sent = run('swaks', [...words, '--data', `@${file}`], {
      maxBuffer: 64 * 1024 * 1024,
      encoding: 'latin1',
    });
    const { stdout } = await sent.catch((failure: unknown) => failure as { stdout: string });
    const replies = [...stdout.matchAll(/^<(?:\*\*|- |~ |~\*)\s*(.*)$/gm)].map(([, reply]) => reply!);
    return replies.findLast((reply) => !/^221 /.test(reply)) ?? stdout;
  }

  let count = 0;
  const mail = (body: string): Buffer =>
    Buffer.from(
      `Message-ID: <${process.pid}.${count++}@b.example>\nFrom: a@b.example\nTo: list@b.example\nSubject: =?utf-8?q?caf=C3=A9?=\n\n${body}\n`,
      'latin1',
    );

  test.each(['relay', 'mailgun', 'postmark', 'sendgrid'])(
    '%s, octet by octet, to whom it was for',
    async (name) => {
      const before = application.routed().length;
      const body = `.dot\n${'a line of text\n'.repeat(5_000)}caf\xc3\xa9`;
      expect(await send(mail(body), `u1@${name}.test`)).toMatch(/^250 .*Queued! [0-9a-f-]{36}/);
      const [routed, ...others] = application.routed().slice(before);
      expect(others).toEqual([]);
      expect(routed!.to).toEqual(['list@b.example']);
      if (name !== 'postmark') expect(routed!.original).toEqual([`u1@${name}.test`]);
      expect(routed!.raw.toString('latin1').replaceAll('\r\n', '\n')).toContain(`\n\n${body}\n`);
    },
  );

  test.each(['relay', 'mailgun', 'sendgrid'])('%s, with octets that are no UTF-8', async (name) => {
    const before = application.routed().length;
    expect(await send(mail('caf\xe9 \xff\xfe'), `u1@${name}.test`)).toMatch(/^250 /);
    expect(application.routed()[before]!.raw.includes(Buffer.from('caf\xe9 \xff\xfe', 'latin1'))).toBe(true);
  });

  test('for two recipients, blind copies that they are', async () => {
    const before = application.routed().length;
    await send(mail('both'), 'u1@relay.test', 'u2@relay.test');
    await send(mail('both'), 'u1@sendgrid.test', 'u2@sendgrid.test');
    await send(mail('both'), 'u1@mailgun.test', 'u2@mailgun.test');
    const originals = application
      .routed()
      .slice(before)
      .map(({ original }) => [...original].sort());
    expect(originals).toEqual([
      ['u1@relay.test', 'u2@relay.test'],
      ['u1@sendgrid.test', 'u2@sendgrid.test'],
      ['u1@mailgun.test'],
      ['u2@mailgun.test'],
    ]);
  });

  test('nothing without the right password or key, and the client is to come back', async () => {
    const before = application.routed().length;
    expect(await send(mail('x'), 'u@badrelay.test')).toMatch(/^451 .*HTTP 401/);
    expect(await send(mail('x'), 'u@badmailgun.test')).toMatch(/^451 .*HTTP 401/);
    expect(application.routed()).toHaveLength(before);
    expect(daemon.log).not.toMatch(/wrong|password with/);
  });

  test('nothing of a type it does not want, and the client hears so', async () => {
    expect(await send(mail('x'), 'u@form.test')).toMatch(/^554 .*HTTP 415/);
  });

  test('5 MB', async () => {
    const before = application.routed().length;
    const body = 'x'.repeat(70).concat('\n').repeat(70_000);
    expect(await send(mail(body), 'u1@relay.test')).toMatch(/^250 /);
    expect(application.routed()[before]!.raw.length).toBeGreaterThan(5_000_000);
  });

  test('nothing while it is gone, and the client is to come back', async () => {
    await application.stop();
    expect(await send(mail('x'), 'u1@relay.test')).toMatch(/^451 .*can not be reached/);
  });
});
