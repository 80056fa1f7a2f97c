/** Reads of many sockets into one buffer: nothing of one client may reach another, and nothing may be lost. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { shareReads } from '../../host/intake/stream-events.ts';
import { slabPool } from '../../host/message/slab-pool.ts';
import { Turns } from '../../host/session/turns.ts';
import { TestClient } from '../../host/testing/index.ts';
import { CertificateFolder, makePair, SecureClient, SecureServer } from '../tls/secure-server.ts';

const folder = new CertificateFolder();
const bodies: string[] = [];
const recipients: string[] = [];
let server: SecureServer;

const sumOf = (text: string): string => createHash('sha1').update(text, 'latin1').digest('hex');

/** Answers late, so that command lines have to outlast the reads that follow them. */
const late = definePlugin({
  name: 'late',
  about: 'Keeps what it is shown, and takes its time.',
  hooks: {
    async rcpt_pre(_context, path) {
      await turn();
      recipients.push(path);
    },
    async queue({ transaction: { message } }) {
      const sum = createHash('sha1');
      for await (const block of message.body('crlf')) {
        await turn();
        sum.update(block);
      }
      bodies.push(sum.digest('hex'));
      return ok('kept');
    },
  },
});

beforeAll(async () => {
  const pair = folder.write('mx', makePair('mx.test'));
  server = await SecureServer.start({ plugins: [`tls ${pair}`, 'rcpt_ok', late] });
});
afterAll(async () => {
  server.dropClients();
  await server.close();
  folder.remove();
});

/** A body of `lines` lines that no other one shares; every seventh begins with a dot. */
const bodyOf = (name: string, lines: number): string =>
  `\r\n${Array.from({ length: lines }, (_, line) => `${line % 7 === 0 ? '.' : ''}${name} ${line} ${'x'.repeat(line % 90)}\r\n`).join('')}`;

const transaction = (name: string, body: string): string =>
  `MAIL FROM:<a@b.example>\r\nRCPT TO:<${name}@example.test>\r\nDATA\r\nSubject: ${name}\r\n${body.replaceAll('\n.', '\n..')}.\r\n`;

async function greeted(to = server): Promise<TestClient> {
  const client = new TestClient(to.connectSocket());
  await client.reply();
  await client.say('EHLO client.example');
  return client;
}

async function replies(client: TestClient, count: number): Promise<string> {
  const codes: string[] = [];
  for (let index = 0; index < count; index++) codes.push((await client.reply()).slice(0, 3));
  return codes.join(' ');
}

test('long messages of many clients at a time, in one write each, arrive as they were sent', async () => {
  bodies.length = recipients.length = 0;
  const names = ['anna', 'bert', 'carl', 'dora'];
  const sums: string[] = [];
  const codes = await Promise.all(
    names.map(async (name) => {
      const client = await greeted();
      let all = '';
      for (const part of ['one', 'two', 'three']) {
        const body = bodyOf(`${name}-${part}`, part === 'two' ? 40 : 9_000);
        sums.push(sumOf(body));
        all += transaction(`${name}-${part}`, body);
      }
      client.send(`${all}QUIT\r\n`);
      return replies(client, 13);
    }),
  );
  expect(new Set(codes)).toEqual(new Set([`${'250 250 354 250 '.repeat(3)}221`]));
  expect([...bodies].sort()).toEqual(sums.sort());
  expect(recipients.toSorted()).toEqual(
    names.flatMap((name) => ['one', 'three', 'two'].map((part) => `<${name}-${part}@example.test>`)),
  );
});

/** Each look at its clock takes a slice, so that nearly all input has to wait in line, long reads in memory that is used again. */
function pressedTurns(): Turns {
  let now = 0;
  return new Turns(() => (now += 1));
}

test('what had to wait in line arrives as it was sent, by DATA, in dots and by BDAT', async () => {
  bodies.length = recipients.length = 0;
  const pressed = await SecureServer.start({ plugins: ['rcpt_ok', late], turns: pressedTurns() });
  const taken = vi.spyOn(slabPool, 'take');
  const givenBack = vi.spyOn(slabPool, 'giveBack');
  const sums: string[] = [];
  const codes = await Promise.all(
    ['anna', 'bert', 'carl', 'dora'].map(async (name) => {
      const client = await greeted(pressed);
      let all = '';
      for (let part = 0; part < 4; part++) {
        const inDots = `\r\n${`.${name}\r\n`.repeat(9_000)}`;
        const body = part % 2 === 0 ? bodyOf(`${name}-${part}`, 3_000) : inDots;
        sums.push(sumOf(body), sumOf(`\r\n${body}`));
        const chunk = `Subject: ${name}\r\n\r\n${body}`;
        const envelope = `MAIL FROM:<a@b.example>\r\nRCPT TO:<${name}-${part}@example.test>\r\n`;
        all += `${transaction(`${name}-${part}`, body)}${envelope}BDAT ${chunk.length} LAST\r\n${chunk}`;
      }
      client.send(`${all}QUIT\r\n`);
      return replies(client, 4 * 7 + 1);
    }),
  );
  expect(new Set(codes)).toEqual(new Set([`${'250 250 354 250 250 250 250 '.repeat(4)}221`]));
  expect([...bodies].sort()).toEqual(sums.sort());
  expect(new Set(recipients).size).toBe(16);
  expect(taken).toHaveBeenCalled();
  expect(givenBack.mock.calls.some(([slabs]) => slabs.length === 1)).toBe(true);
  vi.restoreAllMocks();
  pressed.dropClients();
  await pressed.close();
});

test('a message that goes to disk in the middle of a read arrives as it was sent', async () => {
  bodies.length = 0;
  const config = { size_threshold: ['300000'], spool_dir: [join(folder.path, 'spool')] };
  const spooling = await SecureServer.start({ plugins: ['rcpt_ok', late], config });
  const client = new TestClient(spooling.connectSocket());
  await client.reply();
  await client.say('EHLO client.example');
  const sums: string[] = [];
  for (const name of ['eve', 'fred', 'gina']) {
    // Dots far apart: large pieces on both sides of the octet that makes it go to disk.
    const line = (number: number): string =>
      `${number % 4 === 0 ? '.' : ''}${name} ${number} ${'x'.repeat(980)}\r\n`;
    const body = `\r\n${Array.from({ length: 900 }, (_, number) => line(number)).join('')}`;
    sums.push(sumOf(body));
    client.send(transaction(name, body));
    expect(await replies(client, 4)).toBe('250 250 354 250');
  }
  expect(bodies).toEqual(sums);
  spooling.dropClients();
  await spooling.close();
});

test('STARTTLS works on a connection whose reads are shared', async () => {
  bodies.length = 0;
  const socket = server.connectSocket();
  const client = new TestClient(socket);
  await client.reply();
  await client.say('EHLO client.example');
  const body = bodyOf('plain', 9_000);
  client.send(transaction('plain', body));
  expect(await replies(client, 4)).toBe('250 250 354 250');
  expect(await client.say('STARTTLS')).toMatch(/^220 /);
  socket.removeAllListeners('data');
  const secure = await SecureClient.over(socket);
  await secure.say('EHLO client.example');
  const secret = bodyOf('secret', 9_000);
  secure.send(transaction('secret', secret));
  expect(await replies(secure, 4)).toBe('250 250 354 250');
  expect(bodies).toEqual([sumOf(body), sumOf(secret)]);
});

test('the octets of a socket come lent, stop at a pause, go on after it, and end', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect((listener.address() as { port: number }).port, '127.0.0.1');
  const [socket] = (await once(listener, 'connection')) as [Socket];
  client.write('first');
  await once(socket, 'data');
  let text = '';
  const memory = new Set<ArrayBufferLike>();
  const isShared = shareReads(socket, (octets) => {
    memory.add(octets.buffer);
    text += octets.latin1Slice();
    socket.pause();
  });
  expect(isShared).toBe(true);
  const ended = once(socket, 'end');
  for (const word of ['second', 'third', 'fourth']) {
    const before = text;
    client.write(word);
    socket.resume();
    while (text === before) await turn();
    expect(text).toBe(before + word);
    expect(socket.isPaused()).toBe(true);
  }
  expect(memory.size).toBe(1);
  expect(shareReads(socket, () => undefined)).toBe(false);
  socket.resume();
  client.end();
  await ended;
  listener.close();
});

test('streams that are no sockets stay as they are', () => {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  expect(shareReads(stream, () => undefined)).toBe(false);
});
