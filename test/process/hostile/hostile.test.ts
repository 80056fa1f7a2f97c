/**
 * A plugin that does everything wrong, in a real daemon: the session at hand gets a defined reply, the log names plugin,
 * hook and cause, and fifty other sessions notice nothing.
 */

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LineClient, RunningProgram } from '../running-program.ts';
import { compileServer, type CompiledServer } from './compiled-server.ts';

const OTHERS = 50;
/** Between two transactions of each of the others: a load, but not a race for the processor. */
const PACE_MS = 100;

let server: CompiledServer;
const running: RunningProgram[] = [];

beforeAll(() => {
  server = compileServer();
  mkdirSync(join(server.root, 'site'));
  copyFileSync(join(import.meta.dirname, 'hostile.js'), join(server.root, 'site/hostile.js'));
});
afterAll(async () => {
  await Promise.all(running.map((program) => program.dispose()));
  server.remove();
});

async function start(name: string): Promise<{ program: RunningProgram; port: number }> {
  const config = join(server.root, name);
  mkdirSync(config);
  const files = {
    me: 'mx.test',
    plugins: 'hostile\nrcpt_ok\nqueue/discard',
    plugin_dirs: join(server.root, 'site'),
    plugin_timeout: '1',
    rcpthosts: 'example.test',
    spool_dir: join(server.root, `${name}-spool`),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(config, file), `${text}\n`);
  const listen = ['--listen', 'tcp://127.0.0.1:0', '--workers', '1'];
  const program = new RunningProgram(server.program, ['serve', '--config', config, ...listen]);
  running.push(program);
  return { program, port: await program.port() };
}

/** A client that has said HELO. */
async function greeted(port: number): Promise<LineClient> {
  const client = new LineClient(port);
  expect(await client.reply()).toMatch(/^220 /);
  expect(await client.say('HELO client.example')).toMatch(/^250 /);
  return client;
}

/** Sends mail until told to stop; resolves with how long each reply took, in milliseconds. */
async function sendOn(client: LineClient, isOver: () => boolean): Promise<number[]> {
  const took: number[] = [];
  const say = async (line: string, reply: RegExp): Promise<void> => {
    const from = performance.now();
    expect(await client.say(line)).toMatch(reply);
    took.push(performance.now() - from);
  };
  while (!isOver()) {
    await say('MAIL FROM:<me@example.org>', /^250 /);
    await say('RCPT TO:<you@example.test>', /^250 /);
    await say('DATA', /^354 /);
    await say('Subject: x\r\n\r\nx\r\n.', /^250 /);
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
  }
  return took;
}

/** What fifty other sessions wait for 99 of 100 replies, at most, while `work` goes on. */
async function othersDuring(port: number, work: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  const clients = await Promise.all(Array.from({ length: OTHERS }, () => greeted(port)));
  const others = Promise.all(clients.map((client) => sendOn(client, () => isOver)));
  await work().finally(() => (isOver = true));
  const took = (await others).flat().sort((a, b) => a - b);
  for (const client of clients) client.close();
  expect(took.length).toBeGreaterThan(OTHERS * 4);
  return took[Math.floor(took.length * 0.99)]!;
}

const SKIPPED = /^250 <.*>, sender OK/;
const ACCEPTED = /^250 <.*>, recipient ok/;
const DEFERRED = /^450 Internal error - please try again later/;

/** What is done, how MAIL and RCPT are answered then, and what the log says behind plugin and hook. */
const DEEDS: [deed: string, mail: RegExp, rcpt: RegExp, cause: string][] = [
  ['throws', SKIPPED, DEFERRED, 'Error: thrown at once'],
  ['rejects', SKIPPED, DEFERRED, 'Error: rejected'],
  ['silent', SKIPPED, DEFERRED, 'TimeIsUp: no answer within 1 s'],
  ['twice', /^550 the first word/, /^550 the first word/, ''],
  ['exits', SKIPPED, DEFERRED, 'Error: a plugin must not end the process: process.exit(3)'],
  ['aborts', SKIPPED, DEFERRED, 'Error: a plugin must not end the process: process.abort()'],
  ['kills', SKIPPED, DEFERRED, 'Error: a plugin must not end the process: process.kill('],
  ['exits-later', SKIPPED, ACCEPTED, 'behind its answer: Error: a plugin must not end the process'],
  ['unheard', SKIPPED, ACCEPTED, 'behind its answer: Error: nobody listens'],
  ['unheard-and-awaited', SKIPPED, DEFERRED, 'Error: nobody listens while it is awaited'],
  ['timer-behind-the-end', SKIPPED, ACCEPTED, 'behind its answer: Error: the session is over'],
  ['floating', SKIPPED, ACCEPTED, 'behind its answer: Error: nobody awaits it'],
  ['garbage', SKIPPED, ACCEPTED, "returned { kind: 'verdict', code: 1, lines: 7 }"],
  ['heap', SKIPPED, DEFERRED, 'RangeError: note heap: the notes exceed 4194304 octets'],
];

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

async function doBoth(
  program: RunningProgram,
  port: number,
  [deed, mail, rcpt, cause]: (typeof DEEDS)[number],
) {
  const seen = program.err.all.length;
  const client = await greeted(port);
  expect(await client.say(`MAIL FROM:<${deed}@example.org>`), deed).toMatch(mail);
  if (deed === 'twice') expect(await client.say('MAIL FROM:<me@example.org>')).toMatch(SKIPPED);
  expect(await client.say(`RCPT TO:<${deed}@example.test>`), deed).toMatch(rcpt);
  expect(await client.say('NOOP'), deed).toMatch(/^250 /);
  expect(await client.say('QUIT'), deed).toMatch(/^221 /);
  await client.closed;
  if (cause === '') return;
  for (const hook of ['mail', 'rcpt']) {
    await program.err.find(new RegExp(`\\(${hook}\\) hostile: .*\\b${hook}\\b.* ${escaped(cause)}`), seen);
  }
}

describe('a plugin that does everything wrong', () => {
  test('every deed has its reply and its line in the log, and fifty other sessions notice nothing', async () => {
    const { program, port } = await start('all');
    const quiet = await othersDuring(port, () => new Promise((resolve) => setTimeout(resolve, 1_500)));
    const disturbed = await othersDuring(port, async () => {
      for (const deed of DEEDS) await doBoth(program, port, deed);
    });
    // Held up by the one that waits for its time to be up, they would have waited for a second, twice.
    expect(disturbed).toBeLessThan(Math.max(5 * quiet, 600));
    const client = await greeted(port);
    expect(await client.say('QUIT')).toMatch(/^221 /);
  });

  test('an error that Node charges to nobody is found out by its stack', async () => {
    const { program, port } = await start('microtask');
    const client = await greeted(port);
    expect(await client.say('MAIL FROM:<microtask@example.org>')).toMatch(SKIPPED);
    await program.err.find(/ hostile: FATAL PLUGIN ERROR \[hostile\]: .*Error: of a microtask/);
    expect(await client.say('QUIT')).toMatch(/^221 /);
  });

  test('errors behind its answers, ten in a minute, take it out of the chain; the process stays', async () => {
    const { program, port } = await start('late');
    const client = await greeted(port);
    for (let time = 0; time < 12; time++) {
      expect(await client.say('MAIL FROM:<unheard@example.org>')).toMatch(SKIPPED);
    }
    await program.err.find(
      /Plugin hostile failed behind its answers again and again: out of hook mail for 30 s/,
    );
    // It would throw now.
    expect(await client.say('MAIL FROM:<throws@example.org>')).toMatch(SKIPPED);
    expect(await client.say('QUIT')).toMatch(/^221 /);
    expect(program.err.all.filter((line) => line.includes('thrown at once'))).toEqual([]);
    expect(program.err.all.filter((line) => line.includes('uncaught exception'))).toEqual([]);
  });

  test('a client that leaves while it is silent leaves nothing behind', async () => {
    const { program, port } = await start('leaving');
    const clients = await Promise.all(Array.from({ length: 20 }, () => greeted(port)));
    for (const client of clients) void client.say('MAIL FROM:<silent@example.org>').catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const client of clients) client.close();
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });
});
