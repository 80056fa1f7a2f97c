import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { makeMessage } from '../../bench/load/message.ts';
import { connectionsOf, neededExtensions, scriptOf, type LoadPlan } from '../../bench/load/plan.ts';
import { ReplyReader } from '../../bench/load/reply-reader.ts';
import { runLoad } from '../../bench/load/run-load.ts';

const PLAN: LoadPlan = { port: 0, sessions: 2, messages: 5, perConnection: 2, octets: 1_024 };

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers each line by `answer`, and content by 250. */
async function listen(answer: (line: string) => string, greeting = '220 ready\r\n'): Promise<number> {
  const server = createServer((socket: Socket) => {
    let inContent = false;
    let rest = '';
    socket.on('error', () => undefined);
    socket.write(greeting);
    socket.on('data', (chunk) => {
      rest += chunk.toString('latin1');
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (inContent && line !== '.') continue;
        const reply = inContent ? '250 taken\r\n' : answer(line);
        inContent = reply.startsWith('354');
        socket.write(reply);
        if (reply.startsWith('221')) socket.end();
      }
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const friendly = (line: string): string =>
  line === 'DATA' ? '354 go\r\n' : line === 'QUIT' ? '221 bye\r\n' : '250-a\r\n250 ok\r\n';

const visits = (plan: LoadPlan) =>
  connectionsOf(plan)
    .map((count) => ({ script: scriptOf(plan, count) }))
    [Symbol.iterator]();

describe('the load generator', () => {
  test('messages are shared out over connections, the last of which may carry fewer', () => {
    expect(connectionsOf(PLAN)).toEqual([2, 2, 1]);
    expect(connectionsOf({ ...PLAN, messages: 4 })).toEqual([2, 2]);
  });

  test('messages are of the size asked for, end in CRLF, and hold no dot to stuff and no bare CR or LF', () => {
    for (const octets of [700, 1_024, 5_003, 51_200]) {
      const text = makeMessage(octets).latin1Slice();
      expect(text).toHaveLength(octets);
      expect(text).not.toMatch(/\r(?!\n)|(?<!\r)\n|^\.|\n\./);
      expect(text.endsWith('\r\n')).toBe(true);
    }
    for (let octets = 700; octets < 860; octets++) {
      expect(makeMessage(octets).latin1Slice()).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
    }
  });

  test('a header grows field by field to about the size asked for', () => {
    const text = makeMessage(70_000, 65_536).latin1Slice();
    expect(text.indexOf('\r\n\r\n')).toBeGreaterThan(65_400);
    expect(text.indexOf('\r\n\r\n')).toBeLessThan(65_536);
  });

  test('replies are counted wherever the chunks are cut, and those of several lines once', () => {
    const text = Buffer.from('250-first\r\n250-second\r\n250 last\r\n550 no\r\n354 go\r\n');
    for (let cut = 1; cut < text.length; cut++) {
      const reader = new ReplyReader();
      reader.take(text.subarray(0, cut));
      reader.take(text.subarray(cut));
      expect(reader.codes).toEqual([250, 550, 354]);
    }
  });

  test('a plan needs the extensions it uses', () => {
    expect(neededExtensions({ ...PLAN, isPipelined: true, usesBdat: true, usesTls: true })).toEqual([
      'PIPELINING',
      'CHUNKING',
      'STARTTLS',
    ]);
    expect(neededExtensions(PLAN)).toEqual([]);
  });

  test.each([false, true])('every message is sent and counted (pipelined: %s)', async (isPipelined) => {
    const port = await listen(friendly);
    const outcome = await runLoad(port, 2, visits({ ...PLAN, isPipelined }));
    expect(outcome).toMatchObject({ accepted: 5, refused: 0, cutShort: 0 });
    expect(outcome.replies).toEqual({ 220: 3, 221: 3, 250: 3 + 5 * 3, 354: 5 });
    expect(outcome.p50Ms).toBeGreaterThan(0);
  });

  test('content is not sent to a server that does not want it', async () => {
    const port = await listen((line) => (line === 'DATA' ? '554 no valid recipients\r\n' : friendly(line)));
    const outcome = await runLoad(port, 1, visits(PLAN));
    expect(outcome).toMatchObject({ accepted: 0, refused: 5, cutShort: 0 });
  });

  test('a server that turns clients away at once is no failure of the generator', async () => {
    const port = await listen(friendly, '554 go away\r\n');
    expect(await runLoad(port, 2, visits(PLAN))).toMatchObject({ accepted: 0, refused: 3, cutShort: 0 });
  });

  test('a connection that ends before its script does is counted as cut short', async () => {
    const port = await listen((line) =>
      line.startsWith('RCPT') ? '221 I have had enough\r\n' : friendly(line),
    );
    const outcome = await runLoad(port, 1, visits({ ...PLAN, messages: 2 }));
    expect(outcome.accepted).toBe(0);
    expect(outcome.cutShort).toBe(1);
  });
});
