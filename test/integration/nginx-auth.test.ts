/** nginx' mail proxy in front, as the guide configures it: it asks the daemon where to, and whether a password is right. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { CLIENT, connected } from './front.ts';
import { withCertificate } from './httpd.ts';
import { describeWith } from './needs.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TOKEN = 'a-secret-of-sixteen-characters-or-more';
const MODULE = 'modules/ngx_mail_module.so';

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-nginx-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'config'));
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  const files = {
    plugins: `auth/auth_flat_file\nrcpt_ok\nqueue/maildir ${join(folder, 'Maildir')}`,
    rcpthosts: 'example.com',
    spool_dir: join(folder, 'spool'),
    me: 'mx.example.com',
    flat_auth_pw: 'ann@example.com:p%ss "word',
    auth_delay: '0',
    xclient_hosts: '127.0.0.1',
    xclient_login_relays: '1',
    // Nobody but the holder of the token may ask.
    http_proxies: '192.0.2.1',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'config', name), `${text}\n`);
  writeFileSync(join(folder, 'config/http_tokens'), `${TOKEN} nginx-auth\n`, { mode: 0o600 });
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

interface Ports {
  readonly mx: number;
  readonly submission: number;
}

/** The daemon, and nginx with the second configuration of the guide. */
async function start(): Promise<Ports> {
  const [http, plain, inTls, mx, submission] = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()));
  const listen = [
    `http://127.0.0.1:${http} nginx-auth=port=${plain},tls-port=${inTls}`,
    `tcp://127.0.0.1:${plain}`,
    `tcp://127.0.0.1:${inTls} tls=by-proxy`,
  ].flatMap((spec) => ['--listen', spec]);
  const args = ['serve', '--config', join(folder, 'config'), '--workers', '1', ...listen];
  const daemon = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args);
  ends.push(() => daemon.dispose());
  await daemon.out.find(/listening on/);
  withCertificate(folder);
  const guide = readFileSync(join(ROOT, 'docs/guide/http.md'), 'utf8');
  const mail = /```nginx\n(mail \{[^]*?)```/
    .exec(guide)![1]!
    .replace('127.0.0.1:8025', `127.0.0.1:${http}`)
    .replace('listen 25;', `listen 127.0.0.1:${mx};`)
    .replace('listen 587;', `listen 127.0.0.1:${submission};`);
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const text = `load_module /usr/lib/nginx/${MODULE};\n${user} daemon off; pid nginx.pid; error_log error.log;
    worker_processes 1; events {}\n${mail}`;
  writeFileSync(join(folder, 'nginx.conf'), text);
  const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', join(folder, 'error.log')], {
    stdio: 'ignore',
  });
  const ended = once(child, 'close');
  ends.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { mx: mx!, submission: submission! };
}

async function socketTo(port: number): Promise<Socket> {
  const socket = await connected(port);
  ends.push(() => socket.destroy());
  return socket.on('error', () => undefined);
}

async function greeted(socket: Socket): Promise<TestClient> {
  const client = new TestClient(socket);
  expect(await client.reply()).toMatch(/^220/);
  expect(await client.say('EHLO c.example')).toMatch(/^250/);
  return client;
}

/** Says EHLO inside TLS. */
async function secured(port: number): Promise<TestClient> {
  const socket = await socketTo(port);
  const client = await greeted(socket);
  expect(await client.say('STARTTLS')).toMatch(/^220/);
  socket.removeAllListeners('data');
  const inside = connectTls({ socket, servername: 'mx.example.com', rejectUnauthorized: false });
  inside.on('error', () => undefined);
  await once(inside, 'secureConnect');
  const through = new TestClient(inside);
  expect(await through.say('EHLO c.example')).toMatch(/^250/);
  return through;
}

async function deliver(client: TestClient, to: string): Promise<string> {
  for (const line of ['MAIL FROM:<a@c.example>', `RCPT TO:<${to}>`])
    expect(await client.say(line), line).toMatch(/^250/);
  expect(await client.say('DATA')).toMatch(/^354/);
  expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
  const [name] = readdirSync(join(folder, 'Maildir/new'));
  return readFileSync(join(folder, 'Maildir/new', name!), 'latin1');
}

const plain = (password: string): string =>
  `AUTH PLAIN ${Buffer.from(`\0ann@example.com\0${password}`).toString('base64')}`;

describeWith('nginx', 'nginx-core')("nginx' mail proxy, which asks /nginx-auth", () => {
  test('as an MX: the client stands in Received, and what a plugin refuses is refused', async () => {
    const { mx } = await start();
    const client = await greeted(await socketTo(mx));
    const message = await deliver(client, 'b@example.com');
    expect(message).toMatch(new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT}\\)`, 'm'));
    expect(message).not.toContain('ESMTPS');
    const other = await greeted(await socketTo(mx));
    await other.say('MAIL FROM:<a@c.example>');
    expect(await other.say('RCPT TO:<b@elsewhere.example>')).toMatch(/^550/);
  });

  test('as an MX in TLS: the port for it, so that Received says so', async () => {
    const { mx } = await start();
    const message = await deliver(await secured(mx), 'b@example.com');
    expect(message).toMatch(/with ESMTPS/);
    expect(message).toContain(`(${CLIENT})`);
  });

  test('for submission: PLAIN and LOGIN by our plugins, and a wrong password may be mended', async () => {
    const { submission } = await start();
    const client = await greeted(await socketTo(submission));
    expect(await client.say(plain('wrong'))).toMatch(/^535 5\.7\.8/);
    expect(await client.say(plain('p%ss "word'))).toMatch(/^235/);
    await deliver(client, 'b@elsewhere.example');
    const other = await greeted(await socketTo(submission));
    expect(await other.say('AUTH LOGIN')).toMatch(/^334/);
    expect(await other.say(Buffer.from('ann@example.com').toString('base64'))).toMatch(/^334/);
    expect(await other.say(Buffer.from('p%ss "word').toString('base64'))).toMatch(/^235/);
  });
});
