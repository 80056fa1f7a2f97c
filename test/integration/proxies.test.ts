/** The daemon behind HAProxy, and behind super-servers that hand it their connections by the launcher in `contrib`. */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { makePair } from '../tls/secure-server.ts';
import { CLIENT, connected } from './front.ts';
import { describeWith } from './needs.ts';
import { freePort } from './receivers/receiver.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const QPSMTPD = join(ROOT, 'bin/qpsmtpd.cjs');

let folder: string;
let socket: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-proxies-'));
  socket = join(folder, 'front.sock');
  mkdirSync(join(folder, 'config'));
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  configure('plugins', 'rcpt_ok', `queue/maildir ${join(folder, 'Maildir')}`);
  configure('rcpthosts', 'example.com');
  configure('spool_dir', join(folder, 'spool'));
  configure('loglevel', '6');
  configure('me', 'mx.example.com');
  configure('listeners', 'tcp://127.0.0.1:0 proxy=required', `unix:${socket} proxy=required`);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

function configure(file: string, ...lines: string[]): void {
  writeFileSync(join(folder, 'config', file), `${lines.join('\n')}\n`);
}

function serve(): RunningProgram {
  const program = new RunningProgram(QPSMTPD, [
    'serve',
    '--config',
    join(folder, 'config'),
    '--workers',
    '1',
  ]);
  ends.push(() => program.dispose());
  return program;
}

/** A program that is ended with the test, and what it has said. */
function run(command: string, args: readonly string[]): { child: ChildProcess; said: () => string } {
  let text = '';
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (octets) => (text += String(octets)));
  const ended = once(child, 'close').catch(() => undefined);
  ends.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, said: () => text };
}

/** Connected as soon as a program listens, and ended with the test. */
async function client(port: number): Promise<TestClient> {
  const stream = await connected(port);
  ends.push(() => stream.destroy());
  return new TestClient(stream);
}

async function deliver(through: TestClient): Promise<string> {
  expect(await through.reply()).toMatch(/^220 mx\.example\.com/);
  for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>'])
    expect(await through.say(line), line).toMatch(/^250/);
  expect(await through.say('DATA')).toMatch(/^354/);
  expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
  expect(await through.say('QUIT')).toMatch(/^221/);
  const [name] = readdirSync(join(folder, 'Maildir/new'));
  return readFileSync(join(folder, 'Maildir/new', name!), 'latin1');
}

/** HAProxy with these sections behind its defaults. */
function startHaproxy(...sections: readonly string[]): void {
  const file = join(folder, 'haproxy.cfg');
  const defaults = [
    'global',
    ` stats socket ${join(folder, 'stats.sock')} mode 600 level admin`,
    'defaults',
    ' mode tcp',
    ' timeout connect 3s',
    ' timeout client 60s',
    ' timeout server 60s',
  ];
  writeFileSync(file, `${[...defaults, ...sections].join('\n')}\n`);
  run('haproxy', ['-db', '-f', file]);
}

/** What HAProxy takes the back end for: `UP`, `DOWN`, `L7OK` and the like, as its statistics have it. */
async function health(): Promise<string> {
  const stream = connectTcp({ path: join(folder, 'stats.sock') });
  let text = '';
  stream.on('data', (octets) => (text += String(octets)));
  stream.end('show stat\n');
  await once(stream, 'close');
  const columns = text
    .split('\n')
    .find((line) => line.startsWith('edge,edge1,'))!
    .split(',');
  return `${columns[17]} ${columns[36]}`;
}

describeWith('haproxy', 'haproxy')('HAProxy', () => {
  test.each(['send-proxy', 'send-proxy-v2 proxy-v2-options unique-id,crc32c'])(
    '%s: the client and not the proxy stands in Received',
    async (how) => {
      const port = await freePort();
      const daemon = serve();
      await daemon.out.find(/listening on/);
      startHaproxy(
        'frontend mx',
        ` bind 127.0.0.1:${port}`,
        ' unique-id-format uid-%ci',
        ' default_backend edge',
        'backend edge',
        ` server edge1 unix@${socket} ${how}`,
      );
      const message = await deliver(await client(port));
      expect(message).toMatch(new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT}\\)`, 'm'));
      if (how.includes('unique-id'))
        await daemon.err.find(/by proxy 127\.0\.0\.1, its connection uid-127\.0\.0\.9/);
    },
  );

  test('TLS that HAProxy ends: cipher in Received, and no STARTTLS', async () => {
    const port = await freePort();
    const { certificate, key } = makePair('mx.example.com');
    writeFileSync(join(folder, 'both.pem'), certificate + key, { mode: 0o600 });
    const inside = await serve().port();
    startHaproxy(
      'frontend smtps',
      ` bind 127.0.0.1:${port} ssl crt ${join(folder, 'both.pem')}`,
      ' default_backend edge',
      'backend edge',
      ` server edge1 127.0.0.1:${inside} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c`,
    );
    (await client(port)).destroy();
    const stream = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'mx.example.com',
      rejectUnauthorized: false,
    });
    ends.push(() => stream.destroy());
    await once(stream, 'secureConnect');
    const cipher = stream.getCipher().name;
    const through = new TestClient(stream);
    expect(await through.reply()).toMatch(/^220/);
    expect(await through.say('EHLO c.example')).not.toContain('STARTTLS');
    for (const line of ['MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>', 'DATA'])
      await through.say(line);
    expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    const [name] = readdirSync(join(folder, 'Maildir/new'));
    expect(readFileSync(join(folder, 'Maildir/new', name!), 'latin1')).toContain(`(${cipher} encrypted)`);
  });

  test('its health checks are answered and leave no trace; it notices when the daemon is gone', async () => {
    const port = await freePort();
    const daemon = serve();
    await daemon.out.find(/listening on/);
    startHaproxy(
      'frontend mx',
      ` bind 127.0.0.1:${port}`,
      ' default_backend edge',
      'backend edge',
      ' option smtpchk EHLO balancer.example',
      ` server edge1 unix@${socket} send-proxy-v2 check inter 100ms fall 2 rise 1`,
    );
    await client(port);
    await expect.poll(health).toMatch(/^UP L7OK/);
    const logged = daemon.err.all.filter((line) => line.includes('balancer.example'));
    expect(logged).toEqual([]);
    daemon.kill('SIGTERM');
    await expect.poll(health).toMatch(/^DOWN/);
  });
});

function makeLauncher(): string {
  const program = join(folder, 'qpsmtpd-connect');
  const source = join(ROOT, 'contrib/launcher/qpsmtpd-connect.c');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  return program;
}

describeWith('tcpserver', 'ucspi-tcp')('super-servers', () => {
  test.each([
    ['tcpserver', (port: number) => ['-H', '-R', '-l0', '127.0.0.1', `${port}`]],
    ['tcpsvd', (port: number) => ['127.0.0.1', `${port}`]],
  ])(
    '%s and the launcher: the client stands in Received, and half a connection is enough',
    async (program, args) => {
      const launcher = makeLauncher();
      await serve().out.find(/listening on/);
      const port = await freePort();
      run(program, [...args(port), launcher, socket]);
      expect(await deliver(await client(port))).toContain(`(${CLIENT})`);
      const half = connectTcp({ port, host: '127.0.0.1', localAddress: CLIENT, allowHalfOpen: true });
      ends.push(() => half.destroy());
      half.end('EHLO c.example\r\nQUIT\r\n');
      let text = '';
      half.on('data', (octets) => (text += String(octets)));
      await once(half, 'close');
      expect(text).toMatch(/^220 [^]*\r\n250 [^]*\r\n221 [^]*\r\n$/);
    },
  );

  test('without a daemon the client is told to come back, and the super-server goes on', async () => {
    const launcher = makeLauncher();
    const port = await freePort();
    run('tcpserver', ['-H', '-R', '-l0', '127.0.0.1', `${port}`, launcher, socket]);
    for (let count = 0; count < 2; count++) {
      const turnedAway = await client(port);
      expect(await turnedAway.reply()).toBe(
        '421 4.3.2 The mail service is not running, please try again later',
      );
      expect(await turnedAway.isClosed()).toBe(true);
    }
  });

  test('the launcher carries megabytes both ways, whoever reads slowly', async () => {
    const launcher = makeLauncher();
    configure('databytes', '0');
    await serve().out.find(/listening on/);
    const port = await freePort();
    run('tcpserver', ['-H', '-R', '-l0', '127.0.0.1', `${port}`, launcher, socket]);
    const through = await client(port);
    await through.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>', 'DATA'])
      await through.say(line);
    const body = `${'x'.repeat(998)}\r\n`.repeat(8_000);
    through.send(`Subject: large\r\n\r\n${body}.\r\n`);
    expect(await through.reply()).toMatch(/^250 Queued/);
    const [name] = readdirSync(join(folder, 'Maildir/new'));
    expect(readFileSync(join(folder, 'Maildir/new', name!)).length).toBeGreaterThan(7_900_000);
  });

  test('it says how it is used', () => {
    const launcher = makeLauncher();
    expect(execFileSync(launcher, ['--help'], { encoding: 'latin1' })).toContain('usage: qpsmtpd-connect');
    expect(() => execFileSync(launcher, ['relative/path'], { stdio: 'pipe' })).toThrow(/usage/);
  });
});
