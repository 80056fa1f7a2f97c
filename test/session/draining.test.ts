/** What clients see of a daemon that stops: it lets them end by themselves, and takes leave of the rest after the grace period. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestServer } from '../../host/testing/index.ts';

/** No test lasts as long. */
const LONG_MS = 600_000;
const SHORT_MS = 100;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function started(): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: ['rcpt_ok', 'queue/discard'],
    config: { rcpthosts: 'mx.test' },
  });
  ends.push(() => server.close());
  return server;
}

test('an idle session goes on within the grace period, with a whole message, and ends with QUIT', async () => {
  const server = await started();
  const client = await server.greeted();
  const drained = server.server.drain(LONG_MS);
  expect(await client.say('NOOP')).toMatch(/^250 /);
  expect(await client.say('MAIL FROM:<me@example.org>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<you@mx.test>')).toMatch(/^250 /);
  expect(await client.say('DATA')).toMatch(/^354 /);
  expect(await client.say('Subject: test\r\n\r\nhello\r\n.')).toMatch(/^250 /);
  expect(await client.say('QUIT')).toMatch(/^221 /);
  client.destroy();
  await drained;
});

test.each([
  ['an idle session', []],
  ['a session amid an envelope', ['MAIL FROM:<me@example.org>', 'RCPT TO:<you@mx.test>']],
])('%s is told 421 at the end of the grace period', async (_who, envelope) => {
  const server = await started();
  const client = await server.greeted();
  for (const line of envelope) expect(await client.say(line)).toMatch(/^250 /);
  const drained = server.server.drain(SHORT_MS);
  expect(await client.reply()).toBe('421 mx.test shutting down, please try again');
  await drained;
});

test('where there is no time idle sessions are told at once, others after their transaction', async () => {
  const server = await started();
  const idle = await server.greeted();
  const busy = await server.greeted();
  expect(await busy.say('MAIL FROM:<me@example.org>')).toMatch(/^250 /);
  const drained = server.server.drain(LONG_MS, { isPrompt: true });
  expect(await idle.reply()).toMatch(/^421 /);
  expect(await busy.say('RCPT TO:<you@mx.test>')).toMatch(/^250 /);
  expect(await busy.say('DATA')).toMatch(/^354 /);
  busy.send('Subject: test\r\n\r\nhello\r\n.\r\n');
  expect(await busy.reply()).toMatch(/^250 /);
  expect(await busy.reply()).toMatch(/^421 /);
  for (const client of [idle, busy]) client.destroy();
  await drained;
});

async function listening(maxConnections?: number): Promise<{ server: Server; port: number }> {
  const acceptors = [new SocketAcceptor(parseListen('tcp://127.0.0.1:0'))];
  const overlay = new Map([
    ['me', ['mx.test']],
    ['plugins', []],
  ]);
  const options = { acceptors, directories: [], overlay, reverseLookup: noReverseLookup };
  const server = await Server.load({ ...options, maxConnections });
  ends.push(() => server.drain(0));
  const [address = ''] = await server.listen();
  return { server, port: Number(address.split(':').at(-1)) };
}

/** A client that collects what it reads. */
function clientAt(port: number): { socket: Socket; text: () => string } {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  let text = '';
  socket.on('data', (piece: string) => (text += piece)).on('error', (error) => (text += error.message));
  ends.push(() => socket.destroy());
  return { socket, text: () => text };
}

test('clients that are connected, but not accepted yet, are served', async () => {
  const { server, port } = await listening();
  const clients = Array.from({ length: 20 }, () => clientAt(port));
  // The kernel shakes hands with all of them; of ours, each turn of the event loop accepts one at most.
  await new Promise((resolve) => setImmediate(resolve));
  const drained = server.drain(LONG_MS);
  for (const { socket, text } of clients) {
    if (text() === '') await once(socket, 'data');
    socket.write('QUIT\r\n');
    await once(socket, 'close');
    expect(text()).toMatch(/^220 .*\r\n221 .*\r\n$/);
  }
  await drained;
});

test('a client that waits for a place gets it, also after the listener is closed', async () => {
  const { server, port } = await listening(1);
  const first = clientAt(port);
  await once(first.socket, 'data');
  const second = clientAt(port);
  await once(second.socket, 'connect');
  const drained = server.drain(LONG_MS);
  first.socket.write('QUIT\r\n');
  await once(second.socket, 'data');
  expect(second.text()).toMatch(/^220 /);
  second.socket.write('QUIT\r\n');
  await once(second.socket, 'close');
  await drained;
});
