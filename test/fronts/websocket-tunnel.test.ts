import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { createWebSocketStream, WebSocket, WebSocketServer, type ClientOptions } from 'ws';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { WebSocketStream } from '../../host/fronts/http/websocket-stream.ts';
import { TestClient } from '../../host/testing/index.ts';
import { HttpServer, request, type HttpServerOptions } from './http-server.ts';

let server: HttpServer;
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await server.close();
});

async function start(more: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  return (server = await HttpServer.start({ options: 'websocket=yes', ...more }));
}

function open(options: ClientOptions = {}, protocols: string | string[] = 'smtp'): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, protocols, {
    perMessageDeflate: false,
    ...options,
  });
  sockets.push(socket);
  return socket.on('error', () => undefined);
}

/** A client whose banner is still to be read. */
function session(options?: ClientOptions): { client: TestClient; socket: WebSocket } {
  const socket = open(options);
  const stream: Duplex = createWebSocketStream(socket).on('error', () => undefined);
  return { client: new TestClient(stream), socket };
}

const closedWith = async (socket: WebSocket): Promise<number> => Number((await once(socket, 'close'))[0]);

async function statusOf(socket: WebSocket): Promise<number> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  return response.statusCode;
}

describe('a WebSocket', () => {
  test('carries a session, and closes normally after QUIT', async () => {
    await start();
    const { client, socket } = session();
    expect(await client.reply()).toMatch(/^220 mx\.test/);
    expect(socket.protocol).toBe('smtp');
    expect(await client.say('EHLO c.example')).toMatch(/^250-/);
    expect(await client.say('MAIL FROM:<a@c.example>')).toMatch(/^250/);
    const code = closedWith(socket);
    expect(await client.say('QUIT')).toMatch(/^221/);
    expect(await code).toBe(1_000);
    await expect.poll(() => server.server.sessions).toBe(0);
  });

  test('lines over several messages, fragments of one octet, several lines in a message', async () => {
    await start();
    const { client, socket } = session();
    await client.reply();
    const line = 'EHLO c.example\r\n';
    [...line].forEach((octet, index) => {
      socket.send(Buffer.from(octet), { binary: true, fin: index === line.length - 1 });
    });
    expect(await client.reply()).toMatch(/^250-/);
    for (const octet of 'NOOP\r\n') socket.send(Buffer.from(octet));
    expect(await client.reply()).toMatch(/^250/);
    socket.send(Buffer.from('NOOP\r\nNOOP\r\nQUIT\r\n'));
    for (const code of ['250', '250', '221']) expect(await client.reply()).toMatch(new RegExp(`^${code}`));
  });

  test('what the client sent before its close frame still counts', async () => {
    const recipients: string[] = [];
    const witness = definePlugin({
      name: 'witness',
      about: 'Notes recipients.',
      hooks: {
        rcpt: (_context, { mailbox }) => {
          recipients.push(mailbox);
          return ok();
        },
      },
    });
    await start({ plugins: [witness] });
    const { client, socket } = session();
    await client.reply();
    socket.send(Buffer.from('EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@example.test>\r\n'));
    socket.close(1_000);
    await closedWith(socket);
    await expect.poll(() => server.server.sessions).toBe(0);
    expect(recipients).toEqual(['b@example.test']);
  });

  test('a client that never reads is not read from', async () => {
    await start({ config: { max_commands: ['0'] } });
    const { client, socket } = session();
    await client.reply();
    socket.pause();
    const commands = Buffer.from('NOOP\r\n'.repeat(10_000));
    for (let count = 0; count < 800; count++) socket.send(commands);
    let left = -1;
    await expect
      .poll(() => left === (left = socket.bufferedAmount), { interval: 300, timeout: 60_000 })
      .toBe(true);
    expect(left).toBeGreaterThan(20_000_000);
    expect(server.server.memory.used).toBeLessThan(4_000_000);
    socket.terminate();
    await expect.poll(() => server.server.sessions).toBe(0);
  });

  test.each<[string, number, (socket: WebSocket) => void]>([
    ['text', 1_003, (socket) => socket.send('NOOP\r\n')],
    ['a message of a megabyte', 1_009, (socket) => socket.send(Buffer.alloc(1_048_576))],
    [
      'a message of ten thousand fragments',
      1_008,
      (socket) => {
        for (let count = 0; count < 10_000; count++)
          socket.send(Buffer.from('x'), { binary: true, fin: false });
      },
    ],
  ])('with %s ends with %d', async (_, code, send) => {
    await start();
    const { client, socket } = session();
    await client.reply();
    const closed = closedWith(socket);
    send(socket);
    expect(await closed).toBe(code);
    await expect.poll(() => server.server.sessions).toBe(0);
  });

  test.each<[string, ClientOptions, string | string[], number]>([
    ['no subprotocol', {}, [], 400],
    ['another subprotocol', {}, 'mqtt', 400],
    ['a page of another site', { origin: 'https://evil.example' }, 'smtp', 403],
  ])('%s is refused', async (_, options, protocols, status) => {
    await start();
    expect(await statusOf(open({ ...options }, protocols))).toBe(status);
    expect(server.server.sessions).toBe(0);
  });

  test('a page of a site in http_origins may open one', async () => {
    await start({ config: { http_origins: ['https://mail.example.org'] } });
    const { client } = session({ origin: 'https://mail.example.org' });
    expect(await client.reply()).toMatch(/^220/);
  });

  test.each([
    ['a plain request', 'GET /ws HTTP/1.1\r\nHost: mx.test\r\nConnection: close\r\n\r\n'],
    ['another protocol', request('/ws', ['Upgrade: smtp', 'Connection: close'])],
  ])('%s is told to ask for one', async (_, octets) => {
    await start();
    const text = await server.answer(octets);
    expect(text).toMatch(/^HTTP\/1\.1 426 /);
    expect(text).toMatch(/^Upgrade: websocket\r$/im);
  });

  test('a version of long ago is told which one is spoken', async () => {
    await start();
    const fields = ['Sec-WebSocket-Protocol: smtp', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='];
    const text = await server.answer(
      request('/ws', ['Upgrade: websocket', ...fields, 'Sec-WebSocket-Version: 7']),
    );
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*\r\nSec-WebSocket-Version: 13/);
  });

  test('is not offered where the listener does not say so', async () => {
    await start({ options: 'upgrade=smtp' });
    expect(await statusOf(open())).toBe(404);
  });
});

test('a client that does not answer is gone, unless it is not read from', async () => {
  const listening = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  try {
    await once(listening, 'listening');
    const { port } = listening.address() as { port: number };
    const connected = once(listening, 'connection') as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, { autoPong: false });
    const [socket] = await connected;
    await once(client, 'open');
    const stream = new WebSocketStream(socket).resume();
    const asked = once(client, 'ping');
    stream.probe();
    await asked;
    client.pong();
    await once(socket, 'pong');
    stream.probe();
    socket.pause();
    stream.probe();
    expect(stream.destroyed).toBe(false);
    socket.resume();
    const gone = once(stream, 'close');
    stream.probe();
    await gone;
  } finally {
    listening.clients.forEach((client) => client.terminate());
    listening.close();
  }
});
