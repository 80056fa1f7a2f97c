/** Limits that need time, memory or a real socket to show. RFC 5321 sections 3.8 and 4.5.3. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { definePlugin, deny, ok, type PluginDefinition } from '../../bindings/plugin/index.ts';
import { readServeDefaults, readServeOptions } from '../../host/cli/serve-command.ts';
import { SETTINGS } from '../../host/settings/settings-table.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { Server } from '../../host/server/server.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { put, scratch } from '../config/scratch.ts';

const MIB = 1_048_576;

const closing: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

const acceptor = definePlugin({
  name: 'acceptor',
  about: 'Accepts everything.',
  hooks: { rcpt: () => ok(), queue: () => ok('accepted') },
});

async function start(options: TestServerOptions): Promise<TestServer> {
  const server = await TestServer.start({ plugins: [acceptor], ...options });
  closing.push(() => server.close());
  return server;
}

/** A server on a port of this machine, for what only sockets do. */
async function listen(plugins: readonly PluginDefinition[], config: Record<string, string>): Promise<number> {
  const socket = new SocketAcceptor(parseListen('tcp://127.0.0.1:0'));
  const overlay = new Map(Object.entries(config).map(([name, line]) => [name, [line]]));
  overlay.set('me', ['mx.test']);
  overlay.set(
    'plugins',
    plugins.map(({ name }) => name),
  );
  const server = await Server.load({
    acceptors: [socket],
    directories: [],
    overlay,
    definitions: plugins,
    reverseLookup: noReverseLookup,
  });
  closing.push(() => server.drain(0));
  const [address = ''] = await server.listen();
  return Number(/:(\d+)$/.exec(address)![1]);
}

async function begunData(client: TestClient): Promise<void> {
  await client.say('MAIL FROM:<a@b.example>');
  await client.say('RCPT TO:<u@example.test>');
  expect(await client.say('DATA')).toMatch(/^354 /);
}

describe('a client that is refused and goes on sending', () => {
  const closed = definePlugin({
    name: 'closed',
    about: 'Lets nobody in.',
    hooks: { connect: () => deny('closed for today') },
  });
  const envelope = 'HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n';

  test.each([
    ['at the connection', [closed], {}, '', /^550 closed for today\r\n$/],
    [
      'after too many unknown commands',
      [],
      { max_unrecognized: '2' },
      'X\r\nX\r\nX\r\n',
      /421 mx\.test too many un.*\r\n$/,
    ],
    [
      'after too many commands',
      [],
      { max_commands: '2' },
      'NOOP\r\nNOOP\r\nNOOP\r\n',
      /421 mx\.test too many com.*\r\n$/,
    ],
    ['inside a message', [acceptor], {}, `${envelope}x\n.\r\n`, /421 See http.*\r\n$/],
  ] as const)('%s reads its reply and no reset, also if it writes 10 MB before it reads', async (...row) => {
    const [, plugins, config, words, last] = row;
    const socket = connect({ port: await listen(plugins, config), host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    socket.pause();
    socket.write(words);
    const block = Buffer.alloc(MIB, 'NOOP and nothing else\r\n');
    for (let sent = 0; sent < 10; sent++) await write(socket, block);
    const text = await readToEnd(socket);
    expect(text).toMatch(last);
    socket.end();
  });

  /** Resolves when the system has taken the octets; rejects with a reset. */
  function write(socket: Socket, octets: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      socket.write(octets, (error) => (error ? reject(error) : resolve()));
    });
  }

  async function readToEnd(socket: Socket): Promise<string> {
    let text = '';
    for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
    return text;
  }
});

test('who asks much and reads nothing is not read from any more', async () => {
  const client = await (await start({ config: { max_commands: '0' } })).greeted();
  client.stream.pause();
  const block = Buffer.from('HELP\r\n'.repeat(10_000));
  let poured = 0;
  while (poured < 8 * MIB && (await isTaken(client, block))) poured += block.length;
  expect(poured).toBeLessThan(MIB);
  client.destroy();
});

/** Writes; false if the server does not take it within 300 ms. */
function isTaken(client: TestClient, octets: Buffer): Promise<boolean> {
  if (client.stream.write(octets)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 300, false);
    client.stream.once('drain', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

describe('time', () => {
  test('session_timeout ends a session that keeps talking', async () => {
    const client = await (await start({ config: { session_timeout: '1', max_commands: '0' } })).greeted();
    let reply = '250 OK';
    while (reply === '250 OK') {
      reply = await client.say('NOOP');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(reply).toBe('421 Connection Timed Out');
    expect(await client.isClosed()).toBe(true);
  });

  test('data_total_timeout ends a message that never does, however steadily its octets come', async () => {
    const server = await start({ config: { data_total_timeout: '1', reply_style: 'enhanced' } });
    const client = await server.greeted();
    await begunData(client);
    const trickle = setInterval(() => client.send('x'), 20);
    try {
      expect(await client.reply()).toBe('421 4.4.2 This takes too long, closing');
      expect(await client.isClosed()).toBe(true);
    } finally {
      clearInterval(trickle);
    }
  });

  test('data_total_timeout is over with the message: the next command has its own time', async () => {
    const server = await start({ config: { data_total_timeout: '60' } });
    const client = await server.greeted();
    await begunData(client);
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toBe('250 accepted');
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 100_000);
    // Long enough for sessions to be looked through for those whose time is up.
    await new Promise((resolve) => setTimeout(resolve, 1_700));
    expect(await client.say('NOOP')).toBe('250 OK');
    vi.restoreAllMocks();
  });
});

test('who sends costly commands without end does not keep others waiting for more than a few of them', async () => {
  let asked = 0;
  const costly = definePlugin({
    name: 'costly',
    about: 'Works for a millisecond.',
    hooks: {
      noop: () => {
        asked++;
        const until = performance.now() + 1;
        while (performance.now() < until);
      },
    },
  });
  const server = await start({ plugins: [costly] });
  const [costing, other] = [await server.greeted(), await server.greeted()];
  costing.send('NOOP\r\n'.repeat(1_000));
  expect(await other.say('RSET')).toBe('250 OK');
  expect(asked).toBeLessThan(100);
});

describe('the chunks of a message and max_commands (RFC 3030)', () => {
  const TOO_MANY = '421 mx.test too many commands without a message, closing';
  const chunk = (octets: number, last = ''): string => `BDAT ${octets}${last}\r\n${'x'.repeat(octets)}`;

  async function begun(): Promise<TestClient> {
    const client = await (await start({ config: { max_commands: '4' } })).greeted();
    await client.say('MAIL FROM:<a@b.example>');
    await client.say('RCPT TO:<u@example.test>');
    return client;
  }

  test('below 1 KiB count like commands', async () => {
    const client = await begun();
    client.send(chunk(1_023));
    expect(await client.reply()).toBe('250 1023 octets received');
    client.send(chunk(1));
    expect(await client.reply()).toBe(TOO_MANY);
    expect(await client.isClosed()).toBe(true);
  });

  test('from 1 KiB on do not, nor does the last one, whatever its size', async () => {
    const client = await begun();
    client.send(chunk(1));
    expect(await client.reply()).toBe('250 1 octets received');
    for (let sent = 0; sent < 6; sent++) {
      client.send(chunk(1_024));
      expect(await client.reply()).toBe('250 1024 octets received');
    }
    client.send(chunk(1, ' LAST'));
    expect(await client.reply()).toBe('250 accepted');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('count where they are skipped, too', async () => {
    const client = await (await start({ config: { max_commands: '4' } })).greeted();
    client.send(chunk(6).repeat(2));
    expect(await client.reply()).toBe('503 MAIL first');
    expect(await client.reply()).toBe('503 MAIL first');
    client.send(chunk(6, ' x').repeat(2));
    expect(await client.reply()).toMatch(/^501 /);
    expect(await client.reply()).toBe(TOO_MANY);
  });
});

describe('the number of connections', () => {
  const options = (files: Record<string, string>, ...args: string[]) => {
    const read = readServeOptions(['--config', put(scratch(), files), ...args], readServeDefaults);
    if (read === 'help') throw new Error('no help was asked for');
    return { maxConnections: read.maxConnections, maxFromIp: read.maxFromIp };
  };

  test('is that of max_connections and max_from_ip, unless the command line says otherwise', () => {
    const files = { max_connections: '50\n', max_from_ip: '4\n' };
    expect(options(files)).toEqual({ maxConnections: 50, maxFromIp: 4 });
    expect(options(files, '--max-connections', '7')).toEqual({ maxConnections: 7, maxFromIp: 4 });
    expect(options(files, '--max-from-ip', '0')).toEqual({ maxConnections: 50, maxFromIp: undefined });
  });

  test('is unlimited without either; a mistake is left to the loading of the configuration', () => {
    const none = { maxConnections: undefined, maxFromIp: undefined };
    expect(options({})).toEqual(none);
    expect(options({ max_connections: 'many\n', max_from_ip: '0\n' })).toEqual(none);
  });
});

test('limits that RFC 5321 section 4.5.3 has a least value for are above it by default', () => {
  const surroundings = { hostName: 'mx.test', me: 'mx.test' };
  expect(SETTINGS.maxRecipients.fallback(surroundings)).toBeGreaterThanOrEqual(100);
  expect(SETTINGS.commandTimeoutMs.fallback(surroundings)).toBeGreaterThanOrEqual(5 * 60_000);
  expect(SETTINGS.dataTimeoutMs.fallback(surroundings)).toBeGreaterThanOrEqual(3 * 60_000);
  expect(SETTINGS.databytes.fallback(surroundings)).toBe(0);
});
