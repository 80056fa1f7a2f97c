/**
 * All kinds of listeners in one built daemon, each with its own layers and service: the right client, the right rules, and the
 * same after HUP and SIGUSR2.
 */

import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { request } from '../fronts/http-server.ts';
import { RunningProgram } from '../process/running-program.ts';
import { makePair, SecureClient } from '../tls/secure-server.ts';
import { messagesOf, PROGRAM, Workplace } from './daemon.ts';
import { CLIENT, connected } from './front.ts';
import { upgrade, webSocket } from './http-tunnels.ts';

const TOKEN = 'token-of-the-shop-1234567';
const HEADER = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n';

let place: Workplace;
let pidFile: string;
let socketPath: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  place = new Workplace({ loglevel: '6' });
  pidFile = join(place.folder, 'pid');
  socketPath = join(place.folder, 'lmtp.sock');
  const { certificate, key } = makePair('mx.test');
  const [crt, pem] = [join(place.folder, 'mx.crt'), join(place.folder, 'mx.key')];
  writeFileSync(crt, certificate);
  writeFileSync(pem, key, { mode: 0o600 });
  place.write({
    databytes: '1000',
    'databytes.submission': '2000',
    'plugins.submission': `tls ${crt} ${pem}\nrcpt_ok\nqueue/maildir ${place.maildir}`,
    http_tokens: `${TOKEN} inject as=shop`,
    http_proxies: '192.0.2.1',
    listeners: [
      'tcp://127.0.0.1:0',
      'tcp://127.0.0.1:0 tls=implicit service=submission',
      'tcp://127.0.0.1:0 proxy=required',
      'tcp://[::1]:0',
      'http://127.0.0.1:0 upgrade=smtp websocket=yes inject=raw',
      `unix:${socketPath} proxy=required lmtp=yes`,
      'fd:3 proxy-from=192.0.2.1',
    ].join('\n'),
  });
  chmodSync(join(place.config, 'http_tokens'), 0o600);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  place.remove();
});

const pid = (): number => Number(readFileSync(pidFile, 'latin1'));

interface Daemon {
  readonly program: RunningProgram;
  /** In the order of the lines, that of the passed socket at the end. */
  readonly ports: readonly number[];
}

async function serve(workers: number, descriptors = 4_096): Promise<Daemon> {
  const passed = createServer().listen(0, '127.0.0.1');
  await once(passed, 'listening');
  // What Node has behind it, and does not document.
  const { fd } = (passed as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const args = ['serve', '--config', place.config, '--workers', `${workers}`, '--pid-file', pidFile];
  const program = new RunningProgram(PROGRAM, args, { passed: [fd], descriptors });
  passed.close();
  ends.push(async () => {
    // A successor is no child of this process.
    if (existsSync(pidFile)) process.kill(pid(), 'SIGQUIT');
    await program.dispose();
  });
  const { input } = await program.out.find(/listening on .*/).catch(() => {
    throw new Error(program.err.all.join('\n'));
  });
  const ports = [...input.matchAll(/\/\/(?:127\.0\.0\.1|\[::1\]):(\d+)/g)].map(([, bound]) => Number(bound));
  return { program, ports };
}

/** The one message that has come since the last call. */
function delivered(): string {
  const [message, ...others] = messagesOf(place.maildir);
  expect(others).toEqual([]);
  rmSync(join(place.maildir, 'new'), { recursive: true });
  return String(message);
}

async function expectSession(
  through: TestClient,
  client: string,
  { greeting = 'EHLO', octets = 1_000, received = / with ESMTP ; / } = {},
): Promise<void> {
  expect(await through.reply()).toMatch(greeting === 'LHLO' ? /^220 mx\.test LMTP/ : /^220 mx\.test ESMTP/);
  expect(await through.say(`${greeting} c.example`)).toContain(`SIZE ${octets}`);
  for (const line of ['MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.test>'])
    expect(await through.say(line)).toMatch(/^250/);
  expect(await through.say('DATA')).toMatch(/^354/);
  expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 /);
  expect(await through.say('QUIT')).toMatch(/^221/);
  const message = delivered();
  expect(message).toContain(`(HELO c.example) (${client})`);
  expect(message).toMatch(received);
}

function client(stream: Duplex, first = ''): TestClient {
  ends.push(() => stream.destroy());
  stream.on('error', () => undefined);
  if (first !== '') stream.write(first);
  const through = new TestClient(stream);
  stream.resume();
  return through;
}

function dialUnix(): Socket {
  const socket = connect({ path: socketPath });
  ends.push(() => socket.destroy());
  return socket;
}

async function expectAll(ports: readonly number[]): Promise<void> {
  expect(ports).toHaveLength(6);
  const [mx, submissions, proxied, ipv6, http, passed] = ports;
  await expectSession(client(await connected(mx!)), CLIENT);
  await expectSession(await SecureClient.over(await connected(submissions!)), CLIENT, {
    octets: 2_000,
    received: / with ESMTPS \(\S+ encrypted\)/,
  });
  await expectSession(client(await connected(proxied!), HEADER), '192.0.2.7');
  await expectSession(client(await connected(ipv6!, '::1')), '::1');
  await expectSession(client(await upgrade(http!)), CLIENT);
  await expectSession(client(await webSocket(http!)), CLIENT);
  await expectSession(client(dialUnix(), HEADER), '192.0.2.7', {
    greeting: 'LHLO',
    received: / with LMTP ; /,
  });
  await expectSession(client(await connected(passed!)), CLIENT);
  const answer = await fetch(`http://127.0.0.1:${http}/messages?from=a@c.example&to=b@example.test`, {
    method: 'POST',
    headers: { 'Content-Type': 'message/rfc822', Authorization: `Bearer ${TOKEN}`, Connection: 'close' },
    body: 'Subject: x\n\nx\n',
  });
  expect(answer.status).toBe(202);
  expect(delivered()).toContain(' with ESMTPA ;');
}

describe.each([1, 2])('with %d processes that serve', (workers) => {
  test('each listener has its own layers and service, also after HUP and after SIGUSR2', async () => {
    const { program, ports } = await serve(workers);
    await expectAll(ports);
    let seen = program.err.all.length;
    program.kill('SIGHUP');
    await program.err.find(/configuration read again|reload: done/, seen);
    await expectAll(ports);
    seen = program.err.all.length;
    const old = pid();
    program.kill('SIGUSR2');
    await program.err.find(/has taken the place of this one/, seen);
    expect(pid()).not.toBe(old);
    await program.exited;
    await expectAll(ports);
  });
});

/** What a client of each way has to send before its banner. */
const FIRST: Readonly<Record<string, string>> = {
  'http://127.0.0.1:0 upgrade=smtp': request('/smtp', ['Upgrade: smtp']),
  'fd:3': '',
};

test.each(Object.keys(FIRST))('%s: where descriptors run out accepting pauses, and goes on', async (spec) => {
  place.write({ listeners: spec });
  const { program, ports } = await serve(2, 128);
  const port = ports.at(-1)!;
  const sockets = await Promise.all(Array.from({ length: 200 }, () => connected(port)));
  const heard = sockets.map((socket) => {
    const said = { text: '', isClosed: false };
    socket.on('data', (octets) => (said.text += String(octets))).on('error', () => undefined);
    socket.once('close', () => (said.isClosed = true));
    ends.push(() => socket.destroy());
    socket.write(FIRST[spec]!);
    return said;
  });
  const greeted = (): number => heard.filter(({ text }) => /^220 /m.test(text)).length;
  await expect.poll(greeted, { timeout: 60_000 }).toBeGreaterThanOrEqual(106);
  await program.err.find(/all 53 places \(128 descriptors\) are taken: accepting pauses/);
  // A client that is not served waits, or was told to come back.
  expect(heard.filter(({ text, isClosed }) => isClosed && text === '')).toEqual([]);
  const waiting = heard.filter(({ text }) => text === '');
  expect(waiting.length).toBeGreaterThan(60);
  for (const [index, { text }] of heard.entries()) if (text !== '') sockets[index]!.destroy();
  // One that a worker has accepted waits for a place of this worker.
  const served = (): number => waiting.filter(({ text }) => /^220 /m.test(text)).length;
  await expect.poll(served, { timeout: 60_000 }).toBeGreaterThan(40);
  expect(heard.filter(({ text, isClosed }) => isClosed && text === '')).toEqual([]);
  expect(program.err.all.join('\n')).not.toContain('EMFILE');
});
