/** Every common client of the internet delivers: plainly, over TLS, authenticated, pipelined. */

import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';

const run = promisify(execFile);

const workplace = new Workplace();
const certificate = join(workplace.folder, 'cert.pem');
const key = join(workplace.folder, 'key.pem');
let daemon: RunningDaemon;
let plain: string;
let implicit: string;

beforeAll(async () => {
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=mx.test'],
    ...['-addext', 'subjectAltName=DNS:mx.test,DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', key, '-out', certificate],
  ]);
  expect(made.status, made.stderr.toString()).toBe(0);
  workplace.write({
    plugins: [
      `tls ${certificate} ${key} ${certificate}`,
      'auth/auth_flat_file',
      'rcpt_ok',
      `queue/maildir ${workplace.maildir}`,
    ].join('\n'),
    flat_auth_pw: 'user@example.test:open sesame',
    xclient_hosts: '127.0.0.1',
    auth_delay: '0',
  });
  daemon = await RunningDaemon.start(workplace, { words: ['--listen', 'tcp://127.0.0.1:0 tls=implicit'] });
  plain = String(daemon.ports[0]);
  implicit = String(daemon.ports[1]);
});

afterAll(async () => {
  await daemon.end();
  workplace.remove();
});

/** Runs `send` and returns the one message that arrived by it, as text. */
async function arrivalOf(send: () => Promise<unknown>): Promise<string> {
  const before = new Set(workplace.names('new'));
  await send();
  const arrived = workplace.names('new').filter((name) => !before.has(name));
  expect(arrived.length).toBe(1);
  const all = workplace.names('new');
  return workplace.delivered()[all.indexOf(arrived[0]!)]!.toString('latin1');
}

const ENVELOPE = ['--from', 'a@b.example', '--to', 'u@example.test', '--helo', 'client.example'];

describeWith('swaks', 'swaks')('swaks', () => {
  const swaks = (port: string, ...words: string[]): Promise<string> =>
    arrivalOf(() => run('swaks', ['--server', `127.0.0.1:${port}`, ...ENVELOPE, ...words]));

  test('in the clear', async () => expect(await swaks(plain)).toMatch(/ with ESMTP ; /));
  test('STARTTLS (RFC 3207)', async () =>
    expect(await swaks(plain, '-tls')).toMatch(/ with ESMTPS \(\S+ encrypted\); /));
  test('TLS from the first octet (RFC 8314)', async () =>
    expect(await swaks(implicit, '-tlsc')).toMatch(/ with ESMTPS \(\S+ encrypted\); /));
  test('PIPELINING (RFC 2920)', async () =>
    expect(await swaks(plain, '-pipeline')).toMatch(/ with ESMTP ; /));

  test.each(['PLAIN', 'LOGIN', 'CRAM-MD5'])('AUTH %s (RFC 4954) may relay', async (mechanism) => {
    const login = ['-a', mechanism, '-au', 'user@example.test', '-ap', 'open sesame'];
    const message = await swaks(plain, ...login, '--to', 'x@elsewhere.example');
    expect(message).toMatch(/ with ESMTPA ; /);
    expect(message).toMatch(/Authentication-Results: mx\.test; auth=pass/);
    expect(daemon.log).not.toContain('open sesame');
  });

  test('AUTH with a wrong password delivers nothing', async () => {
    const before = workplace.names('new').length;
    const login = ['-a', 'PLAIN', '-au', 'user@example.test', '-ap', 'wrong'];
    await expect(run('swaks', ['--server', `127.0.0.1:${plain}`, ...ENVELOPE, ...login])).rejects.toThrow();
    expect(workplace.names('new').length).toBe(before);
  });

  test('XCLIENT from a trusted peer', async () => {
    const message = await swaks(plain, '--xclient', 'ADDR=192.0.2.7 NAME=far.example');
    expect(message).toMatch(/Received: from far\.example \(HELO client\.example\) \(192\.0\.2\.7\)/);
  });
});

describeWith('msmtp', 'msmtp')('msmtp', () => {
  test.each([
    ['in the clear', (): string[] => [`--port=${plain}`, '--tls=off']],
    ['STARTTLS', (): string[] => [`--port=${plain}`, '--tls=on', '--tls-starttls=on']],
    ['TLS on connect', (): string[] => [`--port=${implicit}`, '--tls=on', '--tls-starttls=off']],
  ])('%s', async (_how, words) => {
    const message = await arrivalOf(async () => {
      const trust = words().includes('--tls=on') ? [`--tls-trust-file=${certificate}`] : [];
      const sent = spawnSync(
        'msmtp',
        ['--host=localhost', ...words(), ...trust, '--from=a@b.example', 'u@example.test'],
        { input: 'Subject: by msmtp\n\n.dot\n' },
      );
      expect(sent.status, sent.stderr.toString()).toBe(0);
    });
    expect(message).toMatch(/^Subject: by msmtp$/m);
    expect(message.endsWith('\n\n.dot\n')).toBe(true);
  });
});

describeWith('curl', 'curl')('curl', () => {
  test.each([
    ['smtp://', (): string[] => [`smtp://127.0.0.1:${plain}/client.example`]],
    ['smtp:// with STARTTLS', (): string[] => ['--ssl-reqd', `smtp://127.0.0.1:${plain}/client.example`]],
    ['smtps://', (): string[] => [`smtps://127.0.0.1:${implicit}/client.example`]],
  ])('%s', async (_how, words) => {
    const file = join(workplace.folder, 'by-curl');
    writeFileSync(file, 'Subject: by curl\r\n\r\n.dot\r\n');
    const envelope = ['--mail-from', 'a@b.example', '--mail-rcpt', 'u@example.test', '--upload-file', file];
    const message = await arrivalOf(() =>
      run('curl', ['-sS', '--cacert', certificate, ...envelope, ...words()]),
    );
    expect(message.endsWith('Subject: by curl\n\n.dot\n')).toBe(true);
  });
});

describeWith('python3', 'python3')("Python's smtplib", () => {
  test('STARTTLS, AUTH and SMTPUTF8', async () => {
    const script = `
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=${JSON.stringify(certificate)})
with smtplib.SMTP('localhost', ${plain}) as client:
    client.starttls(context=context)
    client.login('user@example.test', 'open sesame')
    client.sendmail('gr\\u00fc\\u00dfe@b.example', ['u@example.test'], 'Subject: by smtplib\\r\\n\\r\\n.dot\\r\\n'.encode(),
                    mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
`;
    const message = await arrivalOf(() => run('python3', ['-c', script]));
    expect(message).toMatch(/ with UTF8SMTPSA \(\S+ encrypted\); /);
    expect(Buffer.from(message, 'latin1').toString('utf8')).toContain('Return-Path: <grüße@b.example>');
  });
});

describeWith('/usr/sbin/smtp-source', 'postfix')("Postfix's smtp-source", () => {
  test('200 messages over 10 connections', async () => {
    const before = workplace.names('new').length;
    const words = ['-s', '10', '-m', '200', '-l', '4096', '-d', '-f', 'a@b.example', '-t', 'u@example.test'];
    await run('/usr/sbin/smtp-source', [...words, `127.0.0.1:${plain}`]);
    expect(workplace.names('new').length - before).toBe(200);
  });
});

describe('nodemailer', () => {
  test('30 messages over a pool of connections with STARTTLS', async () => {
    const before = workplace.names('new').length;
    const transport = createTransport({
      host: '127.0.0.1',
      port: Number(plain),
      pool: true,
      maxConnections: 3,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: 'user@example.test', pass: 'open sesame' },
    });
    const messages = Array.from({ length: 30 }, (_, count) =>
      transport.sendMail({
        from: 'a@b.example',
        to: 'u@example.test',
        subject: String(count),
        text: '.dot\n..\n',
      }),
    );
    const results = await Promise.all(messages);
    transport.close();
    expect(results.every(({ accepted }) => accepted.length === 1)).toBe(true);
    expect(workplace.names('new').length - before).toBe(30);
  });
});
