/** SMTP inside HTTP, directly and through web servers configured as the guide says. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { RunningProgram } from '../process/running-program.ts';
import { makePair } from '../tls/secure-server.ts';
import { CLIENT, connected } from './front.ts';
import { connectMethod, extendedConnect, upgrade, webSocket, type Tunnel } from './http-tunnels.ts';
import { startHttpd, withCertificate } from './httpd.ts';
import { describeWith } from './needs.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/http.md'), 'utf8');
const MODULES = '/usr/lib/apache2/modules';

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-http-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'config'));
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  configure({
    plugins: `rcpt_ok\nqueue/maildir ${join(folder, 'Maildir')}`,
    rcpthosts: 'example.com',
    spool_dir: join(folder, 'spool'),
    me: 'mx.example.com',
    // The client of these tests is on this host, too.
    http_proxies: '127.0.0.1\nunix',
    max_commands: '0',
  });
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

function configure(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'config', name), `${text}\n`);
}

interface Daemon {
  readonly program: RunningProgram;
  /** Of plain SMTP, and of HTTP. */
  readonly smtp: number;
  readonly http: number;
}

interface Ways {
  readonly workers?: number;
  /** Files that a process may have open. */
  readonly descriptors?: number;
}

async function serve(
  options = 'upgrade=smtp websocket=yes connect=yes',
  words: readonly string[] = [],
  { workers = 1, descriptors }: Ways = {},
): Promise<Daemon> {
  const listen = ['tcp://127.0.0.1:0', `http://127.0.0.1:0 ${options}`].flatMap((spec) => ['--listen', spec]);
  const args = ['serve', '--config', join(folder, 'config'), '--workers', `${workers}`, ...listen, ...words];
  const limits = descriptors === undefined ? {} : { descriptors };
  const program = new RunningProgram(join(ROOT, 'bin/qpsmtpd.cjs'), args, limits);
  ends.push(() => program.dispose());
  const { input } = await program.out.find(/listening on/);
  const [smtp, http] = [...input.matchAll(/\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
  return { program, smtp: smtp!, http: http! };
}

function client(stream: Duplex): TestClient {
  ends.push(() => stream.destroy());
  stream.on('error', () => undefined);
  const through = new TestClient(stream);
  stream.resume();
  return through;
}

const SCRIPT = [
  'EHLO c.example',
  'NOOP',
  'VRFY someone',
  'NONSENSE',
  'MAIL FROM:<a@c.example> SIZE=100',
  'RCPT TO:<nobody@elsewhere.example>',
  'RCPT TO:<b@example.com>',
  'DATA',
  'Subject: x\r\n\r\n..x\r\n.',
  'RSET',
  'QUIT',
];

/** All replies of a session, without what differs from one to the next. */
async function transcript(stream: Duplex): Promise<readonly string[]> {
  const through = client(stream);
  const replies = [await through.reply()];
  for (const line of SCRIPT) replies.push(await through.say(line));
  expect(await through.isClosed()).toBe(true);
  return replies.map((reply) => reply.replace(/(Queued[^]*)/, 'Queued'));
}

/** The one message that was delivered since the last call. */
function delivered(): string {
  const inbox = join(folder, 'Maildir/new');
  const [name, ...others] = readdirSync(inbox);
  expect(others).toEqual([]);
  const message = readFileSync(join(inbox, name!), 'latin1');
  rmSync(join(inbox, name!));
  return message;
}

/** The fenced block of the guide in this language. */
const block = (language: string): string => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(GUIDE)![1]!;

/** A program that is ended with the test. */
function run(command: string, args: readonly string[]): void {
  const child = spawn(command, args, { stdio: 'ignore' });
  const ended = once(child, 'close');
  ends.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });
}

interface Front {
  readonly port: number;
  readonly securePort: number;
}

/** httpd as the guide has it, with and without TLS. */
async function httpd(to: number): Promise<Front> {
  const modules = ['headers', 'proxy', 'proxy_http', 'proxy_wstunnel'].map(
    (name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`,
  );
  const lines = block('apache').replaceAll('127.0.0.1:8025', `127.0.0.1:${to}`).split('\n');
  const server = await startHttpd(folder, 'event', modules, [
    { protocol: 'http', lines },
    { protocol: 'http', lines: [...lines, ...withCertificate(folder)] },
  ]);
  ends.push(() => server.end());
  return { port: server.ports[0]!, securePort: server.ports[1]! };
}

async function nginx(to: number | string): Promise<Front> {
  const [port, securePort] = [await freePort(), await freePort()];
  withCertificate(folder);
  const target = typeof to === 'number' ? `127.0.0.1:${to}` : `unix:${to}:`;
  const tls = ` listen 127.0.0.1:${securePort} ssl; ssl_certificate mx.crt; ssl_certificate_key mx.key;`;
  const site = block('nginx')
    .replace('listen 80;', `listen 127.0.0.1:${port};${tls}`)
    .replace('127.0.0.1:8025', target);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path tmp_${name};`,
  );
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const text = `${user} daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {}
    http { access_log off; ${temporary.join(' ')}\n${site} }`;
  writeFileSync(join(folder, 'nginx.conf'), text);
  run('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', join(folder, 'error.log')]);
  return { port, securePort };
}

async function haproxy(to: number, silence = '310s'): Promise<Front & { readonly http2Port: number }> {
  const [port, http2Port, securePort] = [await freePort(), await freePort(), await freePort()];
  const { certificate, key } = makePair('mx.example.com');
  writeFileSync(join(folder, 'both.pem'), certificate + key, { mode: 0o600 });
  const config = block('haproxy')
    .replace(
      'bind :80\n',
      `bind 127.0.0.1:${port}\n    bind 127.0.0.1:${securePort} ssl crt ${join(folder, 'both.pem')}\n`,
    )
    .replace('310s', silence)
    .replace('bind :8080', `bind 127.0.0.1:${http2Port}`)
    .replace('127.0.0.1:8025', `127.0.0.1:${to}`);
  const times = ['connect 3s', 'client 60s', 'server 60s'].map((time) => `    timeout ${time}`);
  writeFileSync(join(folder, 'haproxy.cfg'), ['defaults', ...times, config].join('\n'));
  run('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')]);
  return { port, securePort, http2Port };
}

const FORGED = {
  'X-Forwarded-For': '192.0.2.66',
  Forwarded: 'for=192.0.2.66;proto=https',
  'X-Forwarded-Proto': 'https',
  'X-SSL-Cipher': 'FORGED',
  'Client-IP': '192.0.2.66',
};

const FROM_CLIENT = new RegExp(`^Received: from \\S+ \\(HELO c\\.example\\) \\(${CLIENT}\\)`, 'm');

/** A session by each way reads like one without HTTP, and the client is who it is, whatever it says. */
async function expectSameSession(daemon: Daemon, port: number, tunnel: Tunnel): Promise<void> {
  const direct = await transcript(await connected(daemon.smtp));
  expect(direct[0]).toMatch(/^220/);
  expect(delivered()).toMatch(FROM_CLIENT);
  expect(await transcript(await tunnel(port, { fields: FORGED }))).toEqual(direct);
  const message = delivered();
  expect(message).toMatch(FROM_CLIENT);
  expect(message).not.toContain('192.0.2.66');
  expect(message).not.toMatch(/FORGED|encrypted/);
}

async function expectTlsFacts(securePort: number, tunnel: Tunnel): Promise<void> {
  await transcript(await tunnel(securePort, { isSecure: true }));
  const message = delivered();
  expect(message).toMatch(FROM_CLIENT);
  // The name of a cipher, and none that we made up.
  expect(message).toMatch(/\([A-Z0-9]+[-_][A-Z0-9_-]+ encrypted\)/);
}

describe('without a web server', () => {
  test.each([
    ['Upgrade', upgrade],
    ['WebSocket', webSocket],
    ['CONNECT', connectMethod],
  ])('%s: the same session as over a socket', async (_, tunnel) => {
    configure({ http_proxies: '192.0.2.1' });
    const daemon = await serve();
    await expectSameSession(daemon, daemon.http, tunnel);
  });

  test('curl delivers by CONNECT, and is told what a plain request lacks', async () => {
    configure({ http_proxies: '192.0.2.1' });
    const { http } = await serve();
    writeFileSync(join(folder, 'message'), 'Subject: x\r\n\r\nx\r\n');
    const curl = (...args: string[]): string =>
      execFileSync('curl', ['-sS', '--interface', CLIENT, ...args], { encoding: 'utf8', timeout: 60_000 });
    const mail = [
      '--mail-from',
      'a@c.example',
      '--mail-rcpt',
      'b@example.com',
      '-T',
      join(folder, 'message'),
    ];
    curl('-p', '-x', `http://127.0.0.1:${http}`, 'smtp://10.255.255.1:25/c.example', ...mail);
    expect(delivered()).toMatch(FROM_CLIENT);
    const answer = curl('-i', `http://127.0.0.1:${http}/smtp`);
    expect(answer).toMatch(/^HTTP\/1\.1 426 /);
    expect(answer).toMatch(/^upgrade: smtp\r$/im);
    expect(curl(`http://127.0.0.1:${http}/healthz`)).toBe('ok\n');
  });

  test.each([
    ['Upgrade', upgrade],
    ['WebSocket', webSocket],
  ])('%s: megabytes pass both ways, and none is kept', async (_, tunnel) => {
    configure({ http_proxies: '192.0.2.1', databytes: '0' });
    const { program, http } = await serve();
    const mebibytes = (): number =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${program.pid}/status`, 'latin1'))![1]) / 1_024;
    const through = client(await tunnel(http));
    await through.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>', 'DATA'])
      await through.say(line);
    through.send('Subject: large\r\n\r\n');
    const before = mebibytes();
    const piece = Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(200));
    for (let count = 0; count < 600; count++)
      if (!through.stream.write(piece)) await once(through.stream, 'drain');
    expect(await through.say('.')).toMatch(/^250 Queued/);
    expect(mebibytes() - before).toBeLessThan(80);
    expect(delivered().length).toBeGreaterThan(119_000_000);
    const commands = 'EHLO c.example\r\n'.repeat(1_000);
    let octets = 0;
    for (let count = 0; count < 200; count++) {
      through.send(commands);
      for (let each = 0; each < 1_000; each++) octets += (await through.reply()).length;
    }
    expect(octets).toBeGreaterThan(20_000_000);
    expect(mebibytes() - before).toBeLessThan(80);
  });

  test('several processes serve it, and a client that keeps silent on hundreds of connections keeps nobody out', async () => {
    configure({ http_proxies: '192.0.2.1' });
    const { smtp, http } = await serve('upgrade=smtp', [], { workers: 2, descriptors: 128 });
    const before = client(await upgrade(http));
    await before.reply();
    const silent = await Promise.all(Array.from({ length: 400 }, () => connected(http)));
    for (const socket of silent) ends.push(() => socket.on('error', () => undefined).destroy());
    for (const socket of silent) socket.write('GET /smtp HTTP/1.1\r\n');
    expect(await before.say('NOOP')).toMatch(/^250/);
    for (let count = 0; count < 10; count++) {
      const through = client(await connected(smtp));
      expect(await through.reply()).toMatch(/^220/);
    }
    for (const socket of silent) socket.destroy();
    await expect
      .poll(() => upgrade(http).then((stream) => client(stream).reply(), String), { timeout: 60_000 })
      .toMatch(/^220/);
  });

  test('TERM: waiting connections close, requests are refused, a session goes on to its end', async () => {
    configure({ http_proxies: '192.0.2.1' });
    const { program, http } = await serve();
    const idle = (await connected(http)) as Socket;
    ends.push(() => idle.destroy());
    idle.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(idle, 'data');
    const through = client(await upgrade(http));
    await through.reply();
    const closed = once(idle, 'end');
    program.kill('SIGTERM');
    await closed;
    expect(await through.say('EHLO c.example')).toMatch(/^250/);
    for (const line of ['MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>']) await through.say(line);
    expect(await through.say('DATA')).toMatch(/^354/);
    expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 Queued/);
    await through.say('QUIT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(delivered()).toMatch(FROM_CLIENT);
  });
});

describeWith('apache2', 'apache2')('Apache httpd, with no module of ours', () => {
  test.each([
    ['Upgrade', upgrade],
    ['WebSocket', webSocket],
  ])('%s: the same session, the right client, TLS in Received', async (_, tunnel) => {
    const daemon = await serve();
    const front = await httpd(daemon.http);
    await expectSameSession(daemon, front.port, tunnel);
    await expectTlsFacts(front.securePort, tunnel);
  });

  test('early input is early input, half a connection is enough, and a request that lacks Upgrade is told so', async () => {
    configure({ plugins: `earlytalker wait 1\nrcpt_ok\nqueue/maildir ${join(folder, 'Maildir')}` });
    const daemon = await serve();
    const front = await httpd(daemon.http);
    const early = client(await upgrade(front.port, { early: 'EHLO c.example\r\n' }));
    expect(await early.reply()).toMatch(/^550 .*before SMTP greeting/);
    const half = client(await upgrade(front.port));
    await half.reply();
    half.stream.end('NOOP\r\nQUIT\r\n');
    expect(await half.reply()).toMatch(/^250/);
    expect(await half.reply()).toMatch(/^221/);
    const plain = execFileSync('curl', ['-si', `http://127.0.0.1:${front.port}/smtp`], { encoding: 'utf8' });
    expect(plain).toMatch(/^HTTP\/1\.1 426 [^]*^upgrade: smtp\r$/im);
  });

  test('a client that is reset leaves its place', async () => {
    const daemon = await serve('upgrade=smtp', ['--max-connections', '1']);
    const front = await httpd(daemon.http);
    const first = await upgrade(front.port);
    expect(await client(first).reply()).toMatch(/^220/);
    (first as Socket).resetAndDestroy();
    expect(await client(await upgrade(front.port)).reply()).toMatch(/^220/);
  });
});

describeWith('nginx', 'nginx-core')('nginx', () => {
  test.each([
    ['Upgrade', upgrade],
    ['WebSocket', webSocket],
  ])('%s: the same session, the right client, TLS in Received', async (_, tunnel) => {
    const daemon = await serve();
    const front = await nginx(daemon.http);
    await expectSameSession(daemon, front.port, tunnel);
    await expectTlsFacts(front.securePort, tunnel);
  });

  test('over a Unix socket', async () => {
    const socket = join(folder, 'http.sock');
    const daemon = await serve('upgrade=smtp', ['--listen', `http+unix:${socket} mode=0666 upgrade=smtp`]);
    const front = await nginx(socket);
    await expectSameSession(daemon, front.port, upgrade);
  });
});

describeWith('haproxy', 'haproxy')('HAProxy', () => {
  test.each([
    ['Upgrade', upgrade],
    ['WebSocket', webSocket],
    ['CONNECT', connectMethod],
  ])('%s: the same session, the right client, TLS in Received', async (_, tunnel) => {
    const daemon = await serve();
    const front = await haproxy(daemon.http);
    await expectSameSession(daemon, front.port, tunnel);
    await expectTlsFacts(front.securePort, tunnel);
  });

  test('a session that is silent for longer than HAProxy waits leaves its place', async () => {
    const daemon = await serve('upgrade=smtp', ['--max-connections', '1']);
    const front = await haproxy(daemon.http, '1s');
    const first = client(await upgrade(front.port));
    expect(await first.reply()).toMatch(/^220/);
    expect(await first.isClosed()).toBe(true);
    expect(await client(await upgrade(front.port)).reply()).toMatch(/^220/);
  });

  test('extended CONNECT over HTTP/2 arrives as an upgrade', async () => {
    const daemon = await serve();
    const front = await haproxy(daemon.http);
    await expectSameSession(daemon, front.http2Port, extendedConnect);
  });
});
