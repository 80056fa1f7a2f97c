/** BDAT: what arrives, what it costs, and that no octet of a chunk is taken for a command. RFC 3030. */

import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { DataFlag } from '../../bindings/core/contract.ts';
import { definePlugin, deny, denyDisconnect, ok, type Message } from '../../bindings/plugin/index.ts';
import { loadCore } from '../../bindings/core.ts';
import { ReferenceCore } from '../../bindings/core/reference/index.ts';
import { ChunkContent } from '../../host/session/incoming-data.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { judgeData } from '../core/data-oracle.ts';
import { cpuMs, until } from '../patience.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function start({ plugins = [], config = {} }: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: [...plugins, 'rcpt_ok', keeper],
    config: { rcpthosts: 'example.test', ...config },
  });
  servers.push(server);
  return server;
}

let kept = '';
let facts: Pick<Message, 'octets' | 'hasNul' | 'hasEightBit' | 'longestLine'> | undefined;

const keeper = definePlugin({
  name: 'keeper',
  about: 'Keeps the message it was given last.',
  hooks: {
    async queue({ transaction: { message } }) {
      const parts: Buffer[] = [];
      for await (const block of message.body('crlf')) parts.push(block);
      kept = Buffer.concat(parts).latin1Slice();
      const { octets, hasNul, hasEightBit, longestLine } = message;
      facts = { octets, hasNul, hasEightBit, longestLine };
      return ok('kept');
    },
  },
});

async function envelope(client: TestClient, parameters = ''): Promise<void> {
  expect(await client.say(`MAIL FROM:<a@b.example>${parameters}`)).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<u@example.test>')).toMatch(/^250 /);
}

const HEADER = 'Subject: x\r\n';

/** Sends a message in chunks and returns the replies. */
async function sendChunks(client: TestClient, chunks: readonly string[]): Promise<string[]> {
  const replies: string[] = [];
  for (const [index, chunk] of chunks.entries()) {
    client.send(`BDAT ${chunk.length}${index === chunks.length - 1 ? ' LAST' : ''}\r\n${chunk}`);
    replies.push(await client.reply());
  }
  return replies;
}

async function pour(client: TestClient, octets: Buffer): Promise<void> {
  if (!client.stream.write(octets)) await once(client.stream, 'drain');
}

describe('the message', () => {
  test('is the chunks one after the other, however they were cut', async () => {
    const client = await (await start()).greeted();
    const body = '\r\n.\r\n..\r\nQUIT\r\n\r\n.\r\nend\r\n';
    const whole = HEADER + body;
    for (let first = 0; first <= whole.length; first += 3) {
      for (const second of [first, Math.min(first + 1, whole.length), whole.length]) {
        await envelope(client);
        const replies = await sendChunks(client, [
          whole.slice(0, first),
          whole.slice(first, second),
          whole.slice(second),
        ]);
        expect(replies.at(-1)).toBe('250 kept');
        expect(kept).toBe(body);
      }
    }
    expect(facts).toEqual({ octets: whole.length, hasNul: false, hasEightBit: false, longestLine: 10 });
  });

  test('may have more octets than a chunk of the socket, and goes to the spool', async () => {
    const spool = mkdtempSync(join(tmpdir(), 'qpsmtpd-spool-'));
    const client = await (await start({ config: { spool_dir: spool, size_threshold: '1000' } })).greeted();
    const body = `\r\n${'x'.repeat(78)}\r\n`.repeat(5_000);
    await envelope(client);
    const replies = await sendChunks(client, [HEADER, body, body]);
    expect(replies).toEqual(['250 12 octets received', `250 ${body.length} octets received`, '250 kept']);
    expect(kept).toBe(body + body);
    await until(() => readdirSync(spool).length === 0);
    rmSync(spool, { recursive: true });
  });

  test('gets a line end after its last line: the next hop needs one before its dot (RFC 5321 section 4.1.1.4)', async () => {
    const client = await (await start()).greeted();
    await envelope(client);
    await sendChunks(client, [`${HEADER}\r\nno line end`]);
    expect(kept).toBe('\r\nno line end\r\n');
    await envelope(client, ' BODY=BINARYMIME');
    await sendChunks(client, [`${HEADER}\r\nno line end`]);
    expect(kept).toBe('\r\nno line end');
  });

  test('of BODY=BINARYMIME keeps every octet, and lines have no limit (RFC 3030 section 3)', async () => {
    const client = await (await start({ config: { max_line_octets: '1000' } })).greeted();
    const body = `\r\n\0\r\n\n\r\r.\n.\r\n\xff${'x'.repeat(2_000)}`;
    await envelope(client, ' BODY=BINARYMIME');
    expect(await sendChunks(client, [HEADER, body])).toEqual(['250 12 octets received', '250 kept']);
    expect(kept).toBe(body);
    expect(facts).toMatchObject({ hasNul: true, hasEightBit: true });
  });

  test('of BODY=BINARYMIME is stored in a Maildir as it came, with CRLF throughout', async () => {
    const maildir = mkdtempSync(join(tmpdir(), 'qpsmtpd-maildir-'));
    const server = await TestServer.start({
      plugins: ['rcpt_ok', `queue/maildir ${maildir}`],
      config: { rcpthosts: 'example.test' },
    });
    servers.push(server);
    const client = await server.greeted();
    const body = '\r\n\n\r\n\r\0';
    await envelope(client, ' BODY=BINARYMIME');
    expect((await sendChunks(client, [HEADER + body]))[0]).toMatch(/^250 Queued!/);
    const [file] = readdirSync(join(maildir, 'new'));
    const stored = readFileSync(join(maildir, 'new', file!), 'latin1');
    expect(stored).toMatch(/^Return-Path: <a@b\.example>\r\nDelivered-To: u@example\.test\r\n/);
    expect(stored.endsWith(HEADER + body)).toBe(true);
    rmSync(maildir, { recursive: true });
  });
});

describe('what a client may send', () => {
  test('256 MiB to a refused chunk and into a refused message hold no memory', async () => {
    const client = await (await start({ config: { databytes: '1000' } })).greeted();
    const block = Buffer.alloc(64 * KIB, 'QUIT\r\n');
    for (const expected of [/^503 /, /^552 /]) {
      if (expected.source.includes('552')) await envelope(client);
      client.send(`BDAT ${128 * MIB}\r\n`);
      expect(await client.reply()).toMatch(expected);
      const before = process.memoryUsage().arrayBuffers;
      for (let sent = 0; sent < 128 * MIB; sent += block.length) await pour(client, block);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB);
      expect(await client.say('NOOP')).toBe('250 OK');
    }
  });

  test('chunks of one octet by the thousand, without wearing others out', async () => {
    const server = await start();
    const client = await server.greeted();
    const other = await server.greeted();
    await envelope(client);
    const count = 8_000;
    client.send('BDAT 1\r\nx'.repeat(count));
    const before = cpuMs();
    expect(await other.say('NOOP')).toBe('250 OK');
    for (let index = 0; index < count; index++) expect(await client.reply()).toBe('250 1 octets received');
    expect(cpuMs() - before).toBeLessThan(8_000);
    await client.say('BDAT 0 LAST');
    expect(facts?.octets).toBe(count + 2);
  });

  test('half of a chunk, and vanish, without leaving a spool file or a session', async () => {
    const spool = mkdtempSync(join(tmpdir(), 'qpsmtpd-spool-'));
    const server = await start({ config: { spool_dir: spool, size_threshold: '1000' } });
    const client = await server.greeted();
    await envelope(client);
    client.send(`BDAT ${MIB}\r\n${HEADER}\r\n${'x'.repeat(100_000)}`);
    await until(() => readdirSync(spool).length === 1);
    client.destroy();
    await until(() => readdirSync(spool).length === 0 && server.server.sessions === 0);
    rmSync(spool, { recursive: true });
  });

  test('half of a chunk, and close its side: it is told that the message was not taken', async () => {
    const client = await (await start()).greeted();
    await envelope(client);
    client.send(`BDAT 100\r\n${HEADER}`);
    client.stream.end();
    expect(await client.reply()).toBe('451 Incomplete DATA');
  });
});

describe('a size that cannot be read', () => {
  test.each([
    'BDAT',
    'BDAT LAST',
    'BDAT -1',
    'BDAT +1',
    'BDAT 0x10',
    'BDAT 1e3',
    'BDAT 1.0',
    'BDAT 1,000',
    'BDAT 10LAST',
    'BDAT 9007199254740992',
    'BDAT 99999999999999999999999999 LAST',
    'BDAT 10\0',
    'BDAT \xb2',
  ])('%j is answered 501 and ends the connection: the octets behind it are no commands', async (line) => {
    const client = await (await start()).greeted();
    await envelope(client);
    client.send(`${line}\r\nRSET\r\nNOOP\r\n`);
    expect(await client.reply()).toBe('501 BDAT needs a size in octets, and LAST or nothing behind it');
    expect(await client.reply()).toBe('');
  });

  test.each([1_000, 5_000])(
    'is also one in a line of %i octets of which the beginning is not kept; with it, what it announces is skipped',
    async (length) => {
      const server = await start();
      const line = `BDAT 6 ${'x'.repeat(length)}\r\n`;
      for (const cut of [0, 2, 1_500]) {
        const client = await server.greeted();
        await envelope(client);
        client.send(line.slice(0, cut));
        await new Promise((resolve) => setImmediate(resolve));
        client.send(`${line.slice(cut)}RSET\r\nNOOP\r\n`);
        const isKept = length < 2_000;
        expect(await client.reply()).toMatch(isKept ? /^501 / : /^500 Line too long$/);
        expect(await client.reply()).toBe(isKept ? '250 OK' : '');
      }
    },
  );
});

describe('hooks', () => {
  const counted: string[] = [];
  const counter = definePlugin({
    name: 'counter',
    about: 'Writes down which hooks were asked.',
    hooks: {
      data: () => void counted.push('data'),
      data_headers_end: () => void counted.push('data_headers_end'),
      data_post_headers: () => void counted.push('data_post_headers'),
      data_post: () => void counted.push('data_post'),
      queue: () => void counted.push('queue'),
      reset_transaction: () => void counted.push('reset_transaction'),
    },
  });

  test('are those of DATA, in their order: data at the first chunk, data_headers_end as soon as the header is whole', async () => {
    const client = await (await start({ plugins: [counter] })).greeted();
    await envelope(client);
    counted.length = 0;
    await client.say('BDAT 0');
    expect(counted).toEqual(['data']);
    client.send('BDAT 14\r\nSubject: x\r\n\r\n');
    await client.reply();
    expect(counted).toEqual(['data', 'data_headers_end']);
    await client.say('BDAT 0 LAST');
    expect(counted).toEqual([
      'data',
      'data_headers_end',
      'data_post_headers',
      'data_post',
      'queue',
      'reset_transaction',
    ]);
  });

  test('a denial of data refuses this chunk and all that follow, in its words', async () => {
    const refuser = definePlugin({
      name: 'refuser',
      about: 'Takes no message.',
      hooks: {
        data: async () => {
          await Promise.resolve();
          return deny('no mail today');
        },
      },
    });
    const client = await (await start({ plugins: [refuser] })).greeted();
    await envelope(client);
    client.send('BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n');
    expect(await client.reply()).toBe('554 no mail today');
    expect(await client.reply()).toBe('554 no mail today');
    expect(await client.reply()).toBe('250 OK');
    expect(await client.say('RSET')).toBe('250 OK');
    expect(await client.say('BDAT 0 LAST')).toBe('503 MAIL first');
  });

  test('a denial that disconnects ends the session in the middle of a chunk', async () => {
    const closer = definePlugin({
      name: 'closer',
      about: 'Hangs up on every header.',
      hooks: { data_headers_end: () => denyDisconnect('not this one') },
    });
    const client = await (await start({ plugins: [closer] })).greeted();
    await envelope(client);
    client.send(`BDAT 1000\r\n${HEADER}\r\nx`);
    expect(await client.reply()).toBe('554 not this one');
    expect(await client.isClosed()).toBe(true);
  });
});

describe('the scan of chunks', () => {
  const long = ['x'.repeat(70), 'y'.repeat(150), `${'z'.repeat(30)}\r\n`.repeat(9), '\r\n.\r\n'];
  const pieces = fc.array(fc.constantFrom('\r', '\n', '\r\n', '\0', '\xff', 'a', 'bc', '', ...long), {
    maxLength: 12,
  });
  const cores = [loadCore().core, new ReferenceCore()];

  test.each(cores)('sees what $name sees in mail data, wherever the chunks part', (core) => {
    const LINES = DataFlag.BareCr | DataFlag.BareLf | DataFlag.Nul | DataFlag.EightBit;
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (chunks) => {
        const slot = core.openData();
        const scan = new ChunkContent(core, slot);
        const parts = chunks.map((chunk) => chunk.join(''));
        for (const part of parts) scan.scan(Buffer.from(part, 'latin1'));
        const whole = parts.join('');
        // A CR at the end is a bare one here, and undecided there.
        const stuffed = whole.replace(/(?<=^|\r\n)\./g, '..');
        const verdict = judgeData(stuffed.endsWith('\r') ? `${stuffed}a` : stuffed);
        expect(scan.flags & LINES).toBe(verdict.flags & LINES);
        expect(scan.octets).toBe(whole.length);
        expect(scan.longestLine).toBe(judgeData(stuffed).longest);
        expect(scan.isInsideLine).toBe(whole !== '' && !whole.endsWith('\n'));
        expect(core.dataOctets(slot)).toBe(whole.length);
        core.closeData(slot);
      }),
      { numRuns: 3_000, seed: 3030 },
    );
  });
});
