/** What clients must not be able to do: bloat the process, leave things behind, be answered out of order. */

import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { until } from '../patience.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: ['rcpt_ok', acceptor],
    ...options,
    config: { rcpthosts: 'example.test', ...options.config },
  });
  servers.push(server);
  return server;
}

const acceptor = definePlugin({
  name: 'acceptor',
  about: 'Accepts every message.',
  hooks: { queue: () => ok('accepted') },
});

/** Writes and waits until the server has taken it. */
async function pour(client: TestClient, octets: Buffer): Promise<void> {
  if (!client.stream.write(octets)) await once(client.stream, 'drain');
}

async function begunData(client: TestClient): Promise<void> {
  await client.say('MAIL FROM:<a@b.example>');
  await client.say('RCPT TO:<u@example.test>');
  expect(await client.say('DATA')).toMatch(/^354 /);
}

describe('command lines (RFC 5321 section 4.5.3.1.4)', () => {
  test('512 octets with CRLF are taken, one more is 500, and the next command is answered', async () => {
    const client = await (await start()).greeted();
    expect(await client.say(`NOOP ${'x'.repeat(512 - 7)}`)).toBe('250 OK');
    expect(await client.say(`NOOP ${'x'.repeat(513 - 7)}`)).toBe('500 Line too long');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('MAIL and RCPT may have 2,048 octets', async () => {
    const client = await (await start({ config: { esmtp_parameters: 'lenient' } })).greeted();
    const mail = 'MAIL FROM:<a@b.example> X=';
    expect(await client.say(mail + 'x'.repeat(2048 - 2 - mail.length))).toMatch(/^250 /);
    expect(await client.say(mail + 'x'.repeat(2049 - 2 - mail.length))).toBe('500 Line too long');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('64 MiB without a line end hold no more than a window of memory, and end in one 500', async () => {
    const client = await (await start()).greeted();
    const block = Buffer.alloc(64 * KIB, 'x');
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 64 * MIB; sent += block.length) await pour(client, block);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB);
    client.send('\r\nNOOP\r\n');
    expect(await client.reply()).toBe('500 Line too long');
    expect(await client.reply()).toBe('250 OK');
  });

  test('a line sent octet by octet and never ended costs no more than its limit', async () => {
    const server = await start();
    const client = await server.greeted();
    for (let sent = 0; sent < 5_000; sent++) await pour(client, Buffer.from('x'));
    client.send('\r\n');
    expect(await client.reply()).toBe('500 Line too long');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('a line longer than the core looks at, among input that waited, is one 500, and what follows is answered', async () => {
    const client = (await start()).connect();
    client.send(`EHLO c.example\r\nMAIL FROM:<${'a'.repeat(100_000)}>\r\nNOOP\r\nQUIT\r\n`);
    const replies = [];
    for (let count = 0; count < 5; count++) replies.push((await client.reply()).slice(0, 3));
    expect(replies).toEqual(['220', '250', '500', '250', '221']);
  });

  test('a flood of empty lines leaves other sessions their turn', async () => {
    const server = await start();
    const flooder = await server.greeted();
    const other = await server.greeted();
    flooder.send(Buffer.alloc(4 * MIB, '\r\n'));
    expect(await other.say('NOOP')).toBe('250 OK');
    flooder.destroy();
  });
});

describe('a client that vanishes', () => {
  test('inside DATA leaves no spool file, no slot of the core and no session', async () => {
    const spool = mkdtempSync(join(tmpdir(), 'qpsmtpd-spool-'));
    const server = await start({ config: { spool_dir: spool, size_threshold: '1000' } });
    const { core } = server.server;
    const free = core.openData();
    core.closeData(free);
    const client = await server.greeted();
    await begunData(client);
    client.send(`Subject: x\r\n\r\n${'text\r\n'.repeat(10_000)}`);
    await until(() => readdirSync(spool).length === 1);
    client.destroy();
    await until(() => readdirSync(spool).length === 0 && server.server.sessions === 0);
    expect(core.openData()).toBe(free);
    core.closeData(free);
    rmSync(spool, { recursive: true });
  });

  test('half-way, after a pipelined QUIT, still gets every reply', async () => {
    const client = (await start()).connect();
    client.send('EHLO c.example\r\nNOOP\r\nQUIT\r\n');
    client.stream.end();
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.reply()).toMatch(/^250-/);
    expect(await client.reply()).toBe('250 OK');
    expect(await client.reply()).toMatch(/^221 /);
    expect(await client.isClosed()).toBe(true);
  });

  test('half-way inside DATA is told that the message was not taken (RFC 5321 section 3.8)', async () => {
    const client = await (await start()).greeted();
    await begunData(client);
    client.send('Subject: x\r\n');
    client.stream.end();
    expect(await client.reply()).toBe('451 Incomplete DATA');
  });

  test('half-way, while a plugin thinks, still gets the replies to all it had sent', async () => {
    const slow = definePlugin({
      name: 'slow',
      about: 'Answers a little later.',
      hooks: { noop: () => new Promise((resolve) => setImmediate(resolve)) },
    });
    const client = (await start({ plugins: ['rcpt_ok', slow, acceptor] })).connect();
    client.send('EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\nNOOP\r\nDATA\r\nx');
    client.stream.end();
    const replies = [];
    for (let count = 0; count < 7; count++) replies.push((await client.reply()).slice(0, 3));
    expect(replies).toEqual(['220', '250', '250', '250', '250', '354', '451']);
    expect(await client.isClosed()).toBe(true);
  });

  test('while a plugin still thinks does not disturb anybody', async () => {
    let answer: (() => void) | undefined;
    const slow = definePlugin({
      name: 'slow',
      about: 'Answers when told to.',
      hooks: { queue: () => new Promise((resolve) => (answer = () => resolve(ok('late')))) },
    });
    const server = await start({ plugins: ['rcpt_ok', slow] });
    const client = await server.greeted();
    await begunData(client);
    client.send('Subject: x\r\n\r\nx\r\n.\r\n');
    await until(() => answer !== undefined);
    client.destroy();
    await until(() => server.server.sessions === 0);
    answer!();
    expect(await (await server.greeted()).say('NOOP')).toBe('250 OK');
  });
});

describe('headers', () => {
  test('more fields than anybody examines are refused: they could say anything', async () => {
    const client = await (await start()).greeted();
    await begunData(client);
    client.send(`${'X: y\r\n'.repeat(2_500)}\r\nbody\r\n.\r\n`);
    expect(await client.reply()).toMatch(/^552 The header has more fields/);
    expect(await client.say('NOOP')).toBe('250 OK');
  });
});

test('recipients beyond max_recipients are deferred with 452 (RFC 5321 section 4.5.3.1.10)', async () => {
  const client = await (await start({ config: { max_recipients: '2' } })).greeted();
  await client.say('MAIL FROM:<a@b.example>');
  expect(await client.say('RCPT TO:<a@example.test>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<b@example.test>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<c@example.test>')).toBe('452 Too many recipients');
});

test('content after a fault of ours within DATA is not read as commands', async () => {
  const watcher = definePlugin({
    name: 'watcher',
    about: 'Asks for the header as soon as it is there.',
    hooks: { data_headers_end: () => undefined },
  });
  const server = await start({ plugins: ['rcpt_ok', watcher, acceptor] });
  const client = await server.greeted();
  await begunData(client);
  const run = vi.spyOn(HookRunner.prototype, 'run').mockImplementation(() => {
    throw new Error('a fault of ours');
  });
  await pour(client, Buffer.from('Subject: x\r\n\r\ncontent\r\n'));
  expect(await client.reply()).toMatch(/^451 /);
  run.mockRestore();
  expect(await client.isClosed()).toBe(true);
});
