import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { createWebSocketStream, WebSocket } from 'ws';
import { definePlugin } from '../../bindings/plugin/index.ts';
import { HttpAcceptor } from '../../host/fronts/http/http-acceptor.ts';
import { HttpFront, TIMES } from '../../host/fronts/http/http-front.ts';
import { nginxAuth } from '../../host/fronts/http/nginx-auth.ts';
import { createAcceptor } from '../../host/intake/acceptors.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { TestClient } from '../../host/testing/index.ts';
import { answerOf, CertificateFolder, makePair, SecureClient } from '../tls/secure-server.ts';
import { HttpServer, request, type HttpServerOptions } from './http-server.ts';

let server: HttpServer;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await server.close();
});

async function start(more: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  return (server = await HttpServer.start({ options: 'upgrade=smtp', ...more }));
}

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: mx.test\r\n\r\n';
const ONCE = HEALTH.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');

/** A connection that waits for its next request. */
async function idle(): Promise<Duplex> {
  const socket = server.connect();
  socket.write(HEALTH);
  await once(socket, 'data');
  return socket.resume();
}

describe('connections without a session', () => {
  test('are limited on their own: sessions go on, inside HTTP and beside it', async () => {
    const memory = new MemoryAcceptor();
    const undecided = definePlugin({
      name: 'undecided',
      about: 'Never answers.',
      hooks: { 'auth-plain': () => new Promise(() => undefined) },
    });
    await start({
      options: 'upgrade=smtp nginx-auth=port=2525',
      plugins: [undecided],
      config: { max_http_connections: ['2'] },
      acceptors: [memory],
      front: (spec) =>
        new HttpAcceptor(
          createAcceptor(spec),
          new HttpFront(spec.http!, [nginxAuth], { ...TIMES, waitMs: 100 }),
        ),
    });
    const tunnel = await server.upgraded();
    await tunnel.reply();
    // Requests that are being worked on: those of half a head may be taken for idle connections, as Node 26 does.
    const login = ['Auth-Method: plain', 'Auth-User: a@b.test', 'Auth-Pass: c', 'Client-IP: 192.0.2.7'];
    for (let count = 0; count < 2; count++)
      server.connect().write(request('/nginx-auth', ['Auth-Protocol: smtp', ...login]));
    await expect.poll(() => server.server.sessions).toBe(3);
    expect(await server.answer(ONCE)).toMatch(/^HTTP\/1\.1 503 /);
    expect(await tunnel.say('NOOP')).toMatch(/^250/);
    expect(await new TestClient(memory.connect()).reply()).toMatch(/^220/);
    expect(server.server.sessions).toBe(4);
  });

  test('wait for a place of one that is being served', async () => {
    let decide: (() => void) | undefined;
    const slow = definePlugin({
      name: 'slow',
      about: 'Answers when told.',
      hooks: { 'auth-plain': () => new Promise<void>((resolve) => (decide = resolve)) },
    });
    await start({
      options: 'upgrade=smtp nginx-auth=port=2525',
      plugins: [slow],
      config: { max_http_connections: ['1'] },
    });
    const login = ['Auth-Method: plain', 'Auth-User: a@b.test', 'Auth-Pass: c', 'Client-IP: 192.0.2.7'];
    server.connect().write(request('/nginx-auth', ['Auth-Protocol: smtp', ...login]));
    await expect.poll(() => decide).toBeDefined();
    const tunnel = server.upgraded();
    // As many may wait as there are places.
    expect(await server.answer(ONCE)).toMatch(/^HTTP\/1\.1 503 /);
    decide!();
    expect(await (await tunnel).reply()).toMatch(/^220/);
    expect(await server.answer(ONCE)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('make room while they only wait for a request', async () => {
    await start({ config: { max_http_connections: ['2'] } });
    const [first, second] = [await idle(), await idle()];
    const gone = Promise.all([once(first, 'end'), once(second, 'end')]);
    expect(await server.answer(ONCE)).toMatch(/^HTTP\/1\.1 200 /);
    await gone;
  });

  test.each([
    ['half a head', 'GET /healthz HTTP/1.1\r\nHo', /^HTTP\/1\.1 408 /],
    ['half a body', 'POST /healthz HTTP/1.1\r\nHost: mx.test\r\nContent-Length: 9\r\n\r\nx', /^HTTP\/1\.1 4/],
    ['nothing', '', /^HTTP\/1\.1 408 |^$/],
  ])('with %s end after their time', async (_, octets, answer) => {
    const times = { ...TIMES, headMs: 100, requestMs: 200, idleMs: 100, lookMs: 50 };
    await start({
      front: (spec) => new HttpAcceptor(createAcceptor(spec), new HttpFront(spec.http!, [], times)),
    });
    expect(await server.answer(octets)).toMatch(answer);
    // A session on such a listener has the times of sessions.
    const tunnel = await server.upgraded();
    await tunnel.reply();
    await server.answer('GET ');
    expect(await tunnel.say('NOOP')).toMatch(/^250/);
  });

  test('end when the server stops, and say so while it does', async () => {
    await start();
    const waiting = await idle();
    const gone = once(waiting, 'end');
    const tunnel = await server.upgraded();
    await tunnel.reply();
    const drained = server.server.drain(60_000, { isPrompt: true });
    await gone;
    expect(await tunnel.reply()).toMatch(/^421/);
    await drained;
  });
});

describe('sessions inside HTTP', () => {
  test('count by the address that the proxy names', async () => {
    await start({ maxFromIp: 1 });
    const from = (address: string): Promise<TestClient> => server.upgraded([`X-Forwarded-For: ${address}`]);
    const first = await from('192.0.2.1');
    expect(await first.reply()).toMatch(/^220/);
    expect(await (await from('192.0.2.1')).reply()).toMatch(/^4\d\d .*192\.0\.2\.1/);
    expect(await (await from('192.0.2.2')).reply()).toMatch(/^220/);
    await first.say('QUIT');
    await first.isClosed();
    await expect.poll(() => server.server.sessions).toBe(1);
    expect(await (await from('192.0.2.1')).reply()).toMatch(/^220/);
  });

  test('wait for a place like all others, and leave it when the client goes', async () => {
    await start({ maxConnections: 1 });
    const first = await server.upgraded();
    await first.reply();
    const waiting = await server.upgraded();
    first.destroy();
    expect(await waiting.reply()).toMatch(/^220/);
  });

  test('of clients that are gone before the banner leave nothing behind', async () => {
    await start({ plugins: ['earlytalker wait 1'] });
    for (let count = 0; count < 20; count++) {
      const socket = server.connect();
      socket.write(request('/smtp', ['Upgrade: smtp']));
      await once(socket, 'data');
      socket.resetAndDestroy();
    }
    await expect.poll(() => server.server.sessions).toBe(0);
    expect(await (await server.upgraded()).reply()).toMatch(/^220/);
  });

  test('CONNECT leads here, whatever it asks for, where the listener says so', async () => {
    await start({ options: 'connect=yes' });
    const socket = server.connect();
    socket.write('CONNECT 192.0.2.99:1 HTTP/1.1\r\nHost: 192.0.2.99:1\r\n\r\n');
    let text = '';
    socket.on('data', (octets: Buffer) => (text += octets.toString('latin1')));
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\n220 mx\.test/);
    expect(await server.answer(request('/smtp', ['Upgrade: smtp', 'Connection: close']))).toMatch(
      /^HTTP\/1\.1 404 /,
    );
  });

  test('a PROXY header comes first, and names the client unless that is a proxy that does', async () => {
    await start({ options: 'proxy-from=127.0.0.1 upgrade=smtp', config: { http_proxies: ['192.0.2.8'] } });
    const ask = (client: string, fields: readonly string[]): Promise<string> =>
      server.answer(
        `PROXY TCP4 ${client} 192.0.2.9 4711 80\r\n${request('/smtp', ['Upgrade: smtp', ...fields])}EHLO c\r\nQUIT\r\n`,
      );
    expect(await ask('192.0.2.7', ['X-Forwarded-For: 127.0.0.1'])).toMatch(
      /^HTTP\/1\.1 101 [^]*\[192\.0\.2\.7\]/,
    );
    expect(await ask('192.0.2.8', ['X-Forwarded-For: 198.51.100.1'])).toMatch(/\[198\.51\.100\.1\]/);
    expect(await ask('192.0.2.8', [])).toMatch(/^HTTP\/1\.1 400 /);
    expect(await server.answer(request('/smtp', ['Upgrade: smtp']))).toBe('');
  });

  test('a health check that says LOCAL in its PROXY header is answered, and no plugin knows of it', async () => {
    let asked = 0;
    const witness = definePlugin({
      name: 'witness',
      about: 'Counts clients.',
      hooks: { connect: () => void asked++ },
    });
    await start({ options: 'proxy=required upgrade=smtp', plugins: [witness], maxFromIp: 1 });
    const local = '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0';
    expect(await server.answer(local + ONCE)).toMatch(/^HTTP\/1\.1 200 /);
    const ask = `${local}${request('/smtp', ['Upgrade: smtp'])}`;
    for (const socket of [server.connect(), server.connect()]) await answerOf(socket, ask, /\n220 /);
    expect(asked).toBe(0);
    const client = 'PROXY TCP4 192.0.2.7 192.0.2.9 4711 80\r\n';
    await answerOf(server.connect(), `${client}${request('/smtp', ['Upgrade: smtp'])}`, /\n220 /);
    expect(asked).toBe(1);
  });

  test.each(['upgrade', 'websocket'])('STARTTLS begins TLS inside: %s', async (kind) => {
    const folder = new CertificateFolder();
    ends.push(() => folder.remove());
    await start({
      options: 'upgrade=smtp websocket=yes',
      plugins: [`tls ${folder.write('mx', makePair('mx.test'))}`],
    });
    let stream: Duplex;
    if (kind === 'upgrade') {
      stream = server.connect();
      await answerOf(stream, request('/smtp', ['Upgrade: smtp']), /\n220 /);
    } else {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, 'smtp');
      ends.push(() => socket.terminate());
      stream = createWebSocketStream(socket);
      await answerOf(stream, '', /^220 /);
    }
    expect(await answerOf(stream, 'EHLO c.example\r\n', /^250 /m)).toContain('STARTTLS');
    await answerOf(stream, 'STARTTLS\r\n', /^220 /);
    const inside = await SecureClient.over(stream as never);
    expect(await inside.say('EHLO c.example')).toMatch(/^250/);
    expect(inside.socket.getProtocol()).toBe('TLSv1.3');
    inside.destroy();
  });
});
