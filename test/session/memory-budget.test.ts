/** The memory budget as clients meet it: what they are told, and that everything they made us keep is given back. */

import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { CutThrough } from '../../bindings/plugin/cut-through.ts';
import {
  connectionNote,
  definePlugin,
  deny,
  ok,
  transactionNote,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { readServeDefaults, readServeOptions } from '../../host/cli/serve-command.ts';
import { connectionsWithin } from '../../host/memory/memory-share.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { eventually, put, scratch } from '../config/scratch.ts';

const MIB = 1_048_576;
const LONG = `NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;${'a'.repeat(450)}`;

const closing: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

const acceptor = definePlugin({
  name: 'acceptor',
  about: 'Accepts everything.',
  hooks: { rcpt: () => ok(), queue: () => ok('accepted') },
});

async function start({ config, ...options }: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: [acceptor],
    config: { memory_budget: String(MIB), spool_dir: `${scratch()}/spool`, ...config },
    ...options,
  });
  closing.push(() => server.close());
  return server;
}

/** Names recipients until one is refused; returns that reply. */
async function nameRecipients(client: TestClient, most: number): Promise<string> {
  let reply = '';
  for (let count = 0; count < most; count++) {
    reply = await client.say(`RCPT TO:<user${count}@example.test> ${LONG}`);
    if (!reply.startsWith('250')) break;
  }
  return reply;
}

async function begunMail(server: TestServer): Promise<TestClient> {
  const client = await server.greeted();
  expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
  return client;
}

describe('above three quarters of the budget', () => {
  test('recipients and new mail get 452, others go on with what they have, and it ends by itself', async () => {
    const server = await start();
    const [greedy, neighbour] = [await begunMail(server), await begunMail(server)];
    expect(await neighbour.say('RCPT TO:<u@example.test>')).toMatch(/^250 /);
    expect(await nameRecipients(greedy, 1_000)).toBe('452 Mail system full.');
    expect(await neighbour.say('RCPT TO:<v@example.test>')).toBe('452 Mail system full.');
    const late = await server.greeted();
    expect(await late.say('MAIL FROM:<c@d.example>')).toBe('452 Mail system full.');
    expect(await neighbour.say('DATA')).toMatch(/^354 /);
    expect(await neighbour.say('Subject: x\r\n\r\nx\r\n.')).toBe('250 accepted');
    expect(await greedy.say('RSET')).toMatch(/^250 /);
    expect(await late.say('MAIL FROM:<c@d.example>')).toMatch(/^250 /);
    expect(await late.say('RCPT TO:<v@example.test>')).toMatch(/^250 /);
  });

  test('the reply of the enhanced style has the status', async () => {
    const server = await start({ config: { reply_style: 'enhanced' } });
    const greedy = await begunMail(server);
    expect(await nameRecipients(greedy, 1_000)).toBe('452 4.3.1 Not enough storage here, try again later');
  });

  test('the notes of plugins count, of either kind', async () => {
    const hoarder = definePlugin({
      name: 'hoarder',
      about: 'Keeps much.',
      hooks: {
        mail: ({ connection, transaction }) => {
          connection.notes.set(connectionNote<string>('much'), 'x'.repeat(400_000));
          transaction.notes.set(transactionNote<Buffer>('more'), Buffer.alloc(450_000));
          return ok();
        },
      },
    });
    const server = await start({ plugins: [hoarder, acceptor] });
    const client = await begunMail(server);
    expect(await client.say('RCPT TO:<u@example.test>')).toBe('452 Mail system full.');
    await client.say('RSET');
    expect(server.server.memory.used).toBeGreaterThan(400_000);
    expect(server.server.memory.used).toBeLessThan(450_000);
    client.destroy();
    await eventually(() => server.server.memory.used, 0);
  });
});

describe('above seven eighths of it', () => {
  test('new connections get 421 before any hook runs, until memory is back', async () => {
    let connections = 0;
    const counter = definePlugin({
      name: 'counter',
      about: 'Counts connections.',
      hooks: {
        'pre-connection': () => (connections++, ok()),
      },
    });
    const server = await start({ plugins: [counter, acceptor] });
    const { memory } = server.server;
    memory.adjust(MIB - 1);
    const client = server.connect();
    expect(await client.reply()).toBe('421 mx.test is too busy, try again later');
    expect(await client.isClosed()).toBe(true);
    expect(connections).toBe(0);
    memory.adjust(1 - MIB);
    expect(await server.connect().reply()).toMatch(/^220 /);
    expect(connections).toBe(1);
  });
});

describe('messages while memory is short', () => {
  const half = `Subject: x\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(4_000)}`;

  test('go to disk though they are below size_threshold, and are delivered whole', async () => {
    let delivered = 0;
    const measuring = definePlugin({
      name: 'measuring',
      about: 'Measures what it delivers.',
      hooks: { queue: ({ transaction }) => ((delivered = transaction.message.octets), ok('measured')) },
    });
    const spool = `${scratch()}/spool`;
    const server = await start({ plugins: [measuring, acceptor], config: { spool_dir: spool } });
    const clients = [await begunMail(server), await begunMail(server)];
    for (const client of clients) {
      await client.say('RCPT TO:<u@example.test>');
      await client.say('DATA');
      client.send(half);
    }
    await eventually(() => readdirSync(spool).length > 0, true);
    for (const client of clients) expect(await client.say('.')).toBe('250 measured');
    expect(delivered).toBe(half.length);
    await eventually(() => readdirSync(spool), []);
  });

  test('that cannot go to disk get 452 when all is used, and the next one is taken', async () => {
    const server = await start({ config: { spool_dir: `${put(scratch(), {})}/spool` } });
    const client = await begunMail(server);
    await client.say('RCPT TO:<u@example.test>');
    await client.say('DATA');
    // A header of 10 KiB that is not over yet stays in memory.
    server.server.memory.adjust(MIB);
    client.send(`Subject: x\r\n${`X-A: ${'x'.repeat(90)}\r\n`.repeat(100)}`);
    expect(await client.say('\r\nx\r\n.')).toBe('452 Mail system full.');
    server.server.memory.adjust(-MIB);
    expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
    await client.say('RCPT TO:<u@example.test>');
    await client.say('DATA');
    expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toBe('250 accepted');
  });
});

describe('the files', () => {
  test('memory_budget says how much, and 0 that there is no limit', async () => {
    const budget = async (text: string): Promise<number> =>
      (await start({ config: { memory_budget: text } })).server.memory.limit;
    expect(await budget('5000000')).toBe(5_000_000);
    expect(await budget('0')).toBe(Number.POSITIVE_INFINITY);
    const { server } = await TestServer.start();
    closing.push(() => server.drain(0));
    expect(server.memory.limit).toBeGreaterThan(MIB);
    expect(server.memory.limit).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test('memory_budget refuses what would serve nobody', async () => {
    await expect(TestServer.start({ config: { memory_budget: '128' } })).rejects.toThrow(
      /memory_budget.*128 is too little: the least is 1048576, and 0 is no limit/,
    );
    await expect(TestServer.start({ config: { memory_budget: '128M' } })).rejects.toThrow(
      /memory_budget.*whole number of octets/,
    );
  });

  test('max_connections is what there is memory for, unless a file or the command line says otherwise', () => {
    const options = (files: Record<string, string>, ...args: string[]) => {
      const read = readServeOptions(['--config', put(scratch(), files), ...args], readServeDefaults);
      return read === 'help' ? undefined : read.maxConnections;
    };
    expect(options({})).toBeUndefined();
    expect(options({ max_connections: '0\n' })).toBe(0);
    expect(options({ max_connections: '50\n' })).toBe(50);
    expect(options({}, '--max-connections', '0')).toBe(0);
  });

  test('without either, those beyond it wait for a place', async () => {
    const server = await start();
    const places = connectionsWithin(MIB);
    const clients = [];
    for (let count = 0; count < places; count++) clients.push(await server.greeted());
    const waiting = server.connect();
    expect(server.server.sessions).toBe(places);
    clients[0]!.destroy();
    expect(await waiting.reply()).toMatch(/^220 /);
    expect(server.server.sessions).toBe(places);
  });
});

describe('everything is given back', () => {
  const troubled = definePlugin({
    name: 'troubled',
    about: 'Waits, forgets, throws.',
    hooks: {
      mail: ({ transaction, connection }, { localPart }) => {
        transaction.notes.set(transactionNote<string>('t'), 'x'.repeat(1_000));
        connection.notes.set(connectionNote<string[]>('c'), ['y'.repeat(1_000)]);
        if (localPart === 'throws') throw new Error('as asked');
        return localPart === 'never' ? deny('not you') : ok();
      },
      rcpt: async ({ transaction }, address) => {
        await wait(1);
        if (address.localPart === 'throws') throw new Error('as asked');
        transaction.addRecipient(address);
        transaction.removeRecipient(address);
        return ok();
      },
      'auth-login': async () => {
        await wait(1);
        return deny('not you');
      },
      queue: async ({ transaction }) => {
        await wait(1);
        if (transaction.message.octets % 3 === 0) throw new Error('as asked');
        return ok('accepted');
      },
    },
  });

  /** A hop that takes everything, and takes its time. */
  const slowHop: CutThrough = {
    begin: () => ({
      write: () => undefined,
      drained: () => wait(1),
      offer: () => Promise.resolve(ok()),
      open: () => Promise.resolve(ok()),
      finish: () => Promise.resolve(ok('passed on')),
      reset: () => undefined,
      close: () => undefined,
    }),
  };
  const passingOn = definePlugin({
    name: 'passing-on',
    about: 'Cuts through to a slow hop.',
    cutThrough: () => slowHop,
    hooks: {},
  });

  const content = (lines: number): string => `Subject: x\r\n\r\n${`${'x'.repeat(62)}\r\n`.repeat(lines)}`;
  const move = fc.oneof(
    fc.constantFrom(
      'EHLO client.example\r\n',
      'MAIL FROM:<a@b.example>\r\n',
      'MAIL FROM:<throws@b.example> BODY=8BITMIME\r\n',
      'MAIL FROM:<never@b.example>\r\n',
      'RCPT TO:<throws@example.test>\r\n',
      `RCPT TO:<u@example.test> ${LONG}\r\n`,
      `RCPT TO:<u@example.test> ${LONG}\r\n`.repeat(50),
      'RSET\r\nNOOP\r\n',
      'NOOP\r\n'.repeat(3_000),
      'DATA\r\n',
      '\r\n.\r\n',
      'BDAT 5000\r\n',
      'BDAT 3 LAST\r\nx\r\n',
      'AUTH LOGIN\r\nYWJj\r\n',
      `AUTH LOGIN\r\n${'YWJj'.repeat(500)}\r\nYWJj\r\n`,
      'half a line',
      'QUIT\r\n',
    ),
    fc.nat(2_000).map(content),
  );
  const session = fc.record({
    moves: fc.array(fc.tuple(move, fc.boolean()), { maxLength: 12 }),
    end: fc.constantFrom('destroy' as const, 'end' as const, 'quit' as const, 'stay' as const),
  });

  async function play(server: TestServer, { moves, end }: { moves: [string, boolean][]; end: string }) {
    const stream = server.connectStream();
    // A client that never reads makes a backlog of replies.
    if (moves.length % 2 === 0) stream.resume();
    stream.write('EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\n');
    for (const [octets, pauses] of moves) {
      if (!stream.destroyed) stream.write(octets);
      if (pauses) await wait(1);
    }
    if (end === 'destroy') stream.destroy();
    else if (end === 'quit') stream.write('QUIT\r\n');
    else if (end === 'end') stream.end();
    return stream;
  }

  async function property(plugins: readonly PluginDefinition[], reloads: boolean): Promise<void> {
    const server = await start({
      plugins,
      config: { size_threshold: '60000', max_unrecognized: '0', memory_budget: String(MIB) },
    });
    const { memory } = server.server;
    await fc.assert(
      fc.asyncProperty(fc.array(session, { minLength: 1, maxLength: 4 }), async (sessions) => {
        const streams = await Promise.all(sessions.map((each) => play(server, each)));
        if (reloads) await server.server.reload();
        expect(memory.used).toBeGreaterThanOrEqual(0);
        await wait(2);
        for (const stream of streams) stream.destroy();
        await eventually(() => [server.server.sessions, memory.used, memory.stage], [0, 0, 0]);
      }),
      { numRuns: 60 },
    );
  }

  test('by sessions of any kind, however they end', () => property([troubled], false), 120_000);

  test('across reloads', () => property([troubled, acceptor], true), 120_000);

  test(
    'by messages that go on to another host while they come',
    () => property([passingOn, acceptor], false),
    120_000,
  );
});
