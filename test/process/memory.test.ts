/**
 * The daemon as a process of its own, with less memory than its clients would like to have. Shrunk to run in seconds:
 * docs/reference/limits.md has the figures of 500 clients and 512 MiB.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { put, scratch } from '../config/scratch.ts';
import { compileServer, type CompiledServer } from './hostile/compiled-server.ts';
import { LineClient, RunningProgram } from './running-program.ts';

const MIB = 1_048_576;
/** For the whole of a test on a machine that is busy with others. */
const PATIENCE_MS = 120_000;

let server: CompiledServer;
beforeAll(() => {
  server = compileServer();
}, PATIENCE_MS);
afterAll(() => server.remove());

const running: RunningProgram[] = [];
afterEach(async () => {
  for (const program of running.splice(0)) await program.dispose();
});

interface Started {
  readonly program: RunningProgram;
  readonly port: number;
}

async function start(files: Record<string, string> = {}): Promise<Started> {
  const config = put(scratch(), {
    me: 'mx.test\n',
    rcpthosts: 'example.test\n',
    plugins: 'rcpt_ok\nqueue/discard\n',
    loglevel: '5\n',
    spool_dir: `${scratch()}/spool\n`,
    ...files,
  });
  const args = [
    server.program,
    'serve',
    '--config',
    config,
    '--listen',
    'tcp://127.0.0.1:0',
    '--workers',
    '1',
  ];
  const program = new RunningProgram('--max-old-space-size=64', args);
  running.push(program);
  return { program, port: await program.port() };
}

async function begunMail(port: number): Promise<LineClient> {
  const client = new LineClient(port);
  await client.reply();
  await client.say('HELO client.example');
  expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
  return client;
}

/** Says `lines` in one piece and returns the replies, one a line. */
async function sayAll(client: LineClient, lines: readonly string[]): Promise<string[]> {
  const replies = [await client.say(lines.join('\r\n'))];
  while (replies.length < lines.length) replies.push(await client.reply());
  return replies;
}

/** What becomes of one more message: the reply to its end, or the one that ended it before. */
async function sendMail(port: number): Promise<string> {
  const client = new LineClient(port);
  try {
    const lines = ['HELO n.example', 'MAIL FROM:<n@b.example>', 'RCPT TO:<n@example.test>', 'DATA'];
    let reply = await client.reply();
    for (const line of lines) {
      if (!/^[23]/.test(reply)) return reply;
      reply = await client.say(line);
    }
    return /^354/.test(reply) ? await client.say('Subject: x\r\n\r\nx\r\n.') : reply;
  } finally {
    client.close();
  }
}

const kibibytes = (program: RunningProgram, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))![1]);

describe('a process of 64 MiB', () => {
  test(
    'defers mail where envelopes of 80 MiB would be, and takes it again when they are gone',
    async () => {
      const { program, port } = await start({ esmtp_parameters: 'lenient\n' });
      const parameter = 'a'.repeat(1_200);
      const recipients = (from: number): string[] =>
        Array.from(
          { length: 100 },
          (_, at) => `RCPT TO:<user${from + at}@example.test> ORCPT=rfc822;${parameter}${at}`,
        );
      const clients: LineClient[] = [];
      let deferred = 0;
      for (let count = 0; count < 60; count++) {
        const client = new LineClient(port);
        clients.push(client);
        if (!/^220/.test(await client.reply())) continue;
        await client.say('HELO client.example');
        const isTaken = (await client.say('MAIL FROM:<a@b.example>')).startsWith('250');
        for (let named = 0; isTaken && named < 1_000; named += 100) {
          const replies = await sayAll(client, recipients(named));
          const refused = replies.filter((reply) => !reply.startsWith('250'));
          expect(refused.every((reply) => reply === '452 Mail system full.')).toBe(true);
          deferred += refused.length;
          if (refused.length > 0) break;
        }
      }
      expect(deferred).toBeGreaterThan(0);
      expect(await sendMail(port)).toBe('452 Mail system full.');
      for (const client of clients) client.close();
      let reply = '';
      for (let round = 0; round < 400 && !reply.startsWith('250'); round++, await wait(50)) {
        reply = await sendMail(port);
      }
      expect(reply).toMatch(/^250 /);
      const told = program.err.all.filter((line) => line.includes('memory:'));
      expect(told.map((line) => /MiB: ([\w ]+)/.exec(line)?.[1]?.trim())).toEqual([
        'messages go to disk',
        'new mail is deferred',
        'everybody is served again',
      ]);
    },
    PATIENCE_MS,
  );

  test.skipIf(process.platform !== 'linux')(
    'keeps to a budget of 16 MiB with 100 MB of messages that are half sent, and takes every one',
    async () => {
      const { program, port } = await start({ memory_budget: `${16 * MIB}\n` });
      const before = kibibytes(program, 'VmRSS');
      const body = `Subject: x\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(10_000)}`;
      const clients: LineClient[] = [];
      for (let count = 0; count < 100; count++) {
        const client = await begunMail(port);
        clients.push(client);
        await sayAll(client, ['RCPT TO:<u@example.test>', 'DATA']);
        client.send(body);
      }
      expect(await sendMail(port)).toMatch(/^250 /);
      for (const client of clients) expect(await client.say('.')).toMatch(/^250 /);
      const grown = (kibibytes(program, 'VmHWM') - before) / 1_024;
      // The budget, and what the collector has not come to yet; without a budget it is more than 95 MiB.
      expect(grown).toBeLessThan(64);
      for (const client of clients) client.close();
    },
    PATIENCE_MS,
  );
});
