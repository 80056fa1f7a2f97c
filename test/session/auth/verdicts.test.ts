/** What the hooks of AUTH make of the session. */

import { afterEach, describe, expect, test } from 'vitest';
import {
  declined,
  deny,
  denyDisconnect,
  denySoft,
  denySoftDisconnect,
  done,
  naughty,
  ok,
  type Verdict,
} from '../../../bindings/plugin/index.ts';
import type { Hooks } from '../../../bindings/plugin/hooks.ts';
import {
  closeServers,
  declineWith,
  keeper,
  recorder,
  SECRET,
  startServer,
  USER,
  withHooks,
} from './auth-server.ts';
import { attempts, encode } from './sasl-client.ts';

afterEach(closeServers);

const RIGHT = `AUTH PLAIN ${encode(`\0${USER}\0${SECRET}`)}`;
const SUCCESS = `235 PLAIN authentication successful for ${USER}`;
const FAILURE = `535 PLAIN authentication failed for ${USER} from 127.0.0.1`;
const FOR_NOW = '454 PLAIN authentication failed for now, try again later';

async function answerTo(hooks: Hooks<unknown>, more: Hooks<unknown> = {}): Promise<string> {
  const server = await startServer({ plugins: [withHooks(hooks, 'first'), withHooks(more, 'second')] });
  const client = await server.greeted();
  const reply = await client.say(RIGHT);
  expect(await client.say('NOOP')).toBe('250 OK');
  return reply;
}

describe('return codes', () => {
  test.each<[string, Verdict | undefined, string]>([
    ['OK', ok(), SUCCESS],
    ['OK with words', ok(['one', 'two']), `${SUCCESS} - one`],
    ['DENY', deny('no such user'), FAILURE],
    ['DENY_DISCONNECT', denyDisconnect('go away'), FAILURE],
    ['DENYSOFT', denySoft('later'), FOR_NOW],
    ['DENYSOFT_DISCONNECT', denySoftDisconnect('later'), FOR_NOW],
    ['DONE', done, FAILURE],
    ['DECLINED', declined, FAILURE],
    ['nothing', undefined, FAILURE],
  ])('%s', async (_, verdict, reply) => {
    expect(await answerTo({ 'auth-plain': () => verdict })).toBe(reply);
    expect(await answerTo({ auth: () => Promise.resolve(verdict) })).toBe(reply);
  });

  test('the hook of the mechanism is asked first, auth after it', async () => {
    expect(await answerTo({ auth: () => ok('auth') }, { 'auth-plain': () => ok('own') })).toBe(
      `${SUCCESS} - own`,
    );
    expect(await answerTo({ auth: () => ok('auth') }, { 'auth-plain': () => undefined })).toBe(
      `${SUCCESS} - auth`,
    );
    expect(await answerTo({ auth: () => ok('auth') }, { 'auth-plain': () => deny() })).toBe(FAILURE);
  });

  test('a plugin that throws lets nobody in, and the client may come back', async () => {
    const dies = { 'auth-plain': () => Promise.reject(new Error('down')) };
    expect(await answerTo(dies, { 'auth-plain': () => ok() })).toBe(FOR_NOW);
  });

  test('an empty password is refused without asking', async () => {
    const server = await startServer({ plugins: [withHooks({ auth: () => ok() })] });
    const client = await server.greeted();
    expect(await client.say(`AUTH PLAIN ${encode(`\0${USER}\0`)}`)).toBe(FAILURE);
  });

  test('why it was refused stands in the log, not in the reply', async () => {
    const { plugin, lines } = recorder();
    const server = await startServer({ plugins: [withHooks({ auth: declineWith('no such user') }), plugin] });
    expect(await (await server.greeted()).say(RIGHT)).toBe(FAILURE);
    expect(lines).toContain('6 PLAIN refused: no such user');
  });
});

describe('auth_parse', () => {
  test('is told the argument, and may put another in its place', async () => {
    const told: unknown[] = [];
    const plugin = keeper(SECRET, {
      auth_parse: (_, line) => {
        told.push(line);
        return ok(RIGHT.slice(5));
      },
    });
    const client = await (await startServer({ plugins: [plugin] })).greeted();
    expect(await client.say('AUTH SECRET')).toBe(`${SUCCESS} - keeper`);
    expect(told).toEqual(['SECRET']);
  });

  test.each<[string, Verdict, string]>([
    ['DENY', deny(), '501 Syntax error in command'],
    ['DENYSOFT with words', denySoft('not today'), '501 not today'],
  ])('%s is a syntax error', async (_, verdict, reply) => {
    const plugin = keeper(SECRET, { auth_parse: () => verdict });
    const client = await (await startServer({ plugins: [plugin] })).greeted();
    expect(await client.say(RIGHT)).toBe(reply);
    expect(await client.say('NOOP')).toBe('250 OK');
  });
});

describe('what follows from it', () => {
  test('success ends naughtiness', async () => {
    const notes: unknown[] = [];
    const plugin = keeper(SECRET, {
      ehlo: ({ connection }) => connection.notes.set(naughty, ['(probe) spammer']),
      noop: ({ connection }) => void notes.push(connection.notes.get(naughty)),
    });
    const client = await (await startServer({ plugins: [plugin] })).greeted();
    await client.say('NOOP');
    await client.say(RIGHT);
    await client.say('NOOP');
    expect(notes).toEqual([['(probe) spammer'], undefined]);
  });

  test.each([
    [[], 'ESMTP', 'auth=none'],
    [['wrong'], 'ESMTP', 'auth=fail'],
    [[SECRET], 'ESMTPA', `auth=pass (login) smtp.auth=${USER}`],
    [['wrong', SECRET], 'ESMTPA', `auth=pass (login) smtp.auth=${USER}`],
  ])(
    'attempts %j: Received says %s (RFC 3848), Authentication-Results %s (RFC 8601)',
    async (secrets, protocol, result) => {
      const fields: (string | undefined)[] = [];
      const reader = withHooks({
        rcpt: () => ok(),
        queue: ({ transaction: { message } }) => {
          fields.push(message.header.get('Received'), message.header.get('Authentication-Results'));
          return ok();
        },
      });
      const client = await (await startServer({ plugins: [keeper(), reader] })).greeted();
      for (const secret of secrets) await attempts.LOGIN(client, { user: USER, secret });
      await client.say('MAIL FROM:<a@b.example>');
      await client.say('RCPT TO:<c@d.example>');
      await client.say('DATA');
      client.send('Subject: x\r\n\r\nx\r\n.\r\n');
      expect(await client.reply()).toMatch(/^250 /);
      expect(fields[0]).toContain(` with ${protocol} ;`);
      expect(fields[1]).toBe(`mx.test; ${result}`);
    },
  );

  test('EHLO forgets neither the login nor that there was one', async () => {
    const client = await (await startServer({ plugins: [keeper()] })).greeted();
    await client.say(RIGHT);
    await client.say('EHLO again.example');
    expect(await client.say(RIGHT)).toBe('503 but you already said AUTH ...');
  });
});
