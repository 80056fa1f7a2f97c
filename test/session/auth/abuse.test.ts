/** What clients must not gain from AUTH: memory, a wedged session, fast guesses, words in another's mouth. */

import { once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ok } from '../../../bindings/plugin/index.ts';
import { SETTINGS } from '../../../host/settings/settings-table.ts';
import type { TestClient } from '../../../host/testing/index.ts';
import { closeServers, keeper, SECRET, startServer, USER, withHooks } from './auth-server.ts';
import { attempts, encode } from './sasl-client.ts';
import { cpuMs, until } from '../../patience.ts';

afterEach(closeServers);

const RIGHT = encode(`\0${USER}\0${SECRET}`);
const SUCCESS = `235 PLAIN authentication successful for ${USER} - keeper`;
const INVALID = '535 Authentication invalid';
const NOT_BASE64 = '501 The response is not valid base64';

async function asked(config: Record<string, string> = {}): Promise<TestClient> {
  const client = await (await startServer({ plugins: [keeper()], config })).greeted();
  expect(await client.say('AUTH PLAIN')).toBe('334  ');
  return client;
}

async function pour(client: TestClient, octets: Buffer): Promise<void> {
  if (!client.stream.write(octets)) await once(client.stream, 'drain');
}

describe('responses (RFC 4954 section 4)', () => {
  test('12,288 octets with CRLF are read, four more are 500, and the session goes on', async () => {
    const client = await asked();
    expect(await client.say('A'.repeat(12_284))).toBe(INVALID);
    await client.say('AUTH PLAIN');
    expect(await client.say('A'.repeat(12_288))).toBe('500 Line too long');
    expect(await client.say(`AUTH PLAIN ${RIGHT}`)).toBe(SUCCESS);
  });

  test('100 KB in one piece, or in many, are one 500', async () => {
    const client = await asked();
    expect(await client.say('A'.repeat(100_000))).toBe('500 Line too long');
    await client.say('AUTH PLAIN');
    for (let sent = 0; sent < 100; sent++) await pour(client, Buffer.alloc(1_000, 'A'));
    expect(await client.say('')).toBe('500 Line too long');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('64 MiB without a line end hold no memory', async () => {
    const client = await asked();
    const block = Buffer.alloc(65_536, 'A');
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 1_024; sent++) await pour(client, block);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1_048_576);
    expect(await client.say('')).toBe('500 Line too long');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test.each([
    ['garbage', 'hello there', NOT_BASE64],
    ['octets above 127', '\u00e4\u00f6\u00fc\u00df', NOT_BASE64],
    ['a NUL', 'AAAA\0AAA', NOT_BASE64],
    ['a star inside', 'AAAA*AAA', NOT_BASE64],
    ['two stars', '**', NOT_BASE64],
    ['a star and a blank', '* ', NOT_BASE64],
    ['base64 after a blank', ` ${RIGHT}`, NOT_BASE64],
    ['a bare CR', `${RIGHT.slice(0, 4)}\r${RIGHT.slice(4)}`, NOT_BASE64],
    ['an equals sign alone', '=', NOT_BASE64],
    ['a command', 'QUIT', INVALID],
    ['nothing', '', INVALID],
    ['NULs alone', encode('\0\0\0\0'), INVALID],
    ['a reply in the user name', encode(`\0a@b\r\n235 welcome\0x`), INVALID],
    ['a star', '*', '501 Authentication canceled'],
  ])('%s: %s', async (_, line, reply) => {
    const client = await asked();
    expect(await client.say(line)).toBe(reply);
    expect(await client.say(`AUTH PLAIN ${RIGHT}`)).toBe(SUCCESS);
  });

  test('a line that ends in LF alone is read like a command that does', async () => {
    const client = await asked();
    client.send(`${RIGHT}\n`);
    expect(await client.reply()).toBe(SUCCESS);
  });

  test('what is neither in the replies nor in the mechanism of AUTH is not echoed', async () => {
    const client = await (await startServer({ plugins: [keeper()] })).greeted();
    expect(await client.say(`AUTH ${RIGHT}`)).toBe('504 Unimplemented authentication mechanism: ');
    expect(await client.say('AUTH x\u00fcy')).toBe('504 Unimplemented authentication mechanism: ');
  });
});

describe('pipelining', () => {
  test('responses after AUTH are read as responses, commands after them as commands', async () => {
    const client = await (await startServer({ plugins: [keeper()] })).greeted();
    client.send(`AUTH LOGIN\r\n${encode(USER)}\r\n${encode(SECRET)}\r\nNOOP\r\nAUTH PLAIN\r\nQUIT\r\n`);
    expect(await client.reply()).toBe('334 VXNlcm5hbWU6');
    expect(await client.reply()).toBe('334 UGFzc3dvcmQ6');
    expect(await client.reply()).toBe(`235 LOGIN authentication successful for ${USER} - keeper`);
    expect(await client.reply()).toBe('250 OK');
    expect(await client.reply()).toBe('503 but you already said AUTH ...');
    expect(await client.reply()).toMatch(/^221 /);
  });

  test('input waits while a plugin thinks', async () => {
    let decide: (() => void) | undefined;
    const slow = withHooks({ 'auth-plain': () => new Promise((resolve) => (decide = () => resolve(ok()))) });
    const client = await (await startServer({ plugins: [slow] })).greeted();
    await client.say('AUTH PLAIN');
    client.send(`${RIGHT}\r\nNOOP\r\nNOOP\r\n`);
    await until(() => decide !== undefined);
    decide!();
    expect(await client.reply()).toBe(SUCCESS.replace(' - keeper', ''));
    expect(await client.reply()).toBe('250 OK');
    expect(await client.reply()).toBe('250 OK');
  });
});

test('a flood of exchanges leaves other sessions their turn', async () => {
  const server = await startServer({ plugins: [keeper()], config: { max_commands: '0' } });
  const flooder = await server.greeted();
  const other = await server.greeted();
  flooder.send(Buffer.alloc(1_048_576, 'AUTH PLAIN\r\n*\r\n'));
  const started = cpuMs();
  expect(await other.say('NOOP')).toBe('250 OK');
  expect(cpuMs() - started).toBeLessThan(1_000);
  flooder.destroy();
});

describe('clients that leave', () => {
  test.each(['', 'AUTH LOGIN\r\n', 'AUTH LOGIN\r\nabc', `AUTH PLAIN\r\n${RIGHT}\r\n`])(
    'behind %j leave no session',
    async (octets) => {
      const server = await startServer({ plugins: [keeper()] });
      const client = await server.greeted();
      client.send(octets);
      client.destroy();
      await until(() => server.server.sessions === 0);
    },
  );

  test('while a refusal is being delayed leave no session', async () => {
    const server = await startServer({ plugins: [keeper()], config: { auth_delay: '30000' } });
    const client = await server.greeted();
    client.send(`AUTH PLAIN ${encode('\0a\0b')}\r\n`);
    await new Promise((resolve) => setImmediate(resolve));
    client.destroy();
    await until(() => server.server.sessions === 0);
  });

  test('halfway through, with a closed write side, are told nothing more', async () => {
    const client = await asked();
    client.stream.end();
    expect(await client.reply()).toBe('');
  });

  test('silently are timed out inside the exchange too', async () => {
    const client = await asked({ timeoutsmtpd: '1' });
    expect(await client.reply()).toBe('421 Connection Timed Out');
    expect(await client.isClosed()).toBe(true);
  });
});

describe('guessing', () => {
  test('each failure is answered later than the one before', async () => {
    const client = await (await startServer({ plugins: [keeper()], config: { auth_delay: '60' } })).greeted();
    const took: number[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const started = performance.now();
      expect(await client.say(`AUTH PLAIN ${encode('\0a@b\0c')}`)).toMatch(/^535 /);
      took.push(performance.now() - started);
    }
    // Timers are exact to a millisecond or two.
    expect(took[0]).toBeGreaterThan(57);
    expect(took[1]).toBeGreaterThan(117);
    expect(took[2]).toBeGreaterThan(237);
  });

  test('how long a plugin takes is part of the delay, so it does not show', async () => {
    // A clock that the plugin moves on, and timers that are up at once: how fast this machine is does not count.
    const [now, later] = [performance.now.bind(performance), setTimeout];
    let aheadMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
    const slow = withHooks({ 'auth-plain': () => void (aheadMs = 15_000) });
    const client = await (await startServer({ plugins: [slow], config: { auth_delay: '30000' } })).greeted();
    const delays: number[] = [];
    const atOnce = (run: () => void, ms = 0): NodeJS.Timeout => {
      if (ms <= 10_000 || ms > 30_000) return later(run, ms);
      delays.push(ms);
      return later(run, 0);
    };
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(atOnce as typeof setTimeout);
    expect(await client.say(`AUTH PLAIN ${RIGHT}`)).toMatch(/^535 /);
    vi.restoreAllMocks();
    // What is left of the 30 s behind the 15 s of the plugin.
    expect(delays).toHaveLength(1);
    expect(delays[0]).toBeLessThanOrEqual(15_000);
  });

  test('success is not delayed, a broken response neither', async () => {
    const client = await asked({ auth_delay: '30000' });
    expect(await client.say('*')).toMatch(/^501 /);
    expect(await client.say('AUTH PLAIN !')).toBe(NOT_BASE64);
    expect(await client.say(`AUTH PLAIN ${RIGHT}`)).toBe(SUCCESS);
  });

  test('each of five wrong passwords is called one, whatever the mechanisms; the sixth attempt closes the connection', async () => {
    const server = await startServer({
      plugins: [keeper()],
      config: { auth_failures: SETTINGS.authFailures.otherwise },
    });
    const client = await server.greeted();
    const wrong = { user: USER, secret: 'wrong' };
    expect(await attempts.LOGIN(client, wrong)).toMatch(/^535 /);
    await client.say('EHLO c.example');
    expect(await attempts['CRAM-MD5'](client, wrong)).toMatch(/^535 /);
    expect(await attempts.PLAIN(client, wrong)).toMatch(/^535 /);
    expect(await attempts.LOGIN(client, wrong)).toMatch(/^535 /);
    expect(await attempts.PLAIN(client, wrong)).toMatch(/^535 /);
    expect(await client.say('NOOP')).toBe('250 OK');
    expect(await attempts.PLAIN(client, { user: USER, secret: SECRET })).toBe(
      '421 mx.test too many failed authentications, closing',
    );
    expect(await client.isClosed()).toBe(true);
  });
});
