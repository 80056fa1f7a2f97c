/** The order in which the hooks of a session are asked: qpsmtpd's, as its plugins count on it. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, deny, ok, type HookName, type Verdict } from '../../bindings/plugin/index.ts';
import { HOOK_NAMES, type Hooks } from '../../bindings/plugin/hooks.ts';
import { nameOf } from '../../bindings/plugin/verdict.ts';
import { TestServer, type TestClient } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

/** Hooks that are asked outside sessions, or about other hooks. */
const ELSEWHERE: readonly HookName[] = ['logging', 'config', 'user_config', 'post-fork', 'deny', 'ok'];

/** Writes down every hook it is asked, and answers those it is told to. */
function recorder(seen: string[], answers: Partial<Record<HookName, Verdict>>) {
  const names = HOOK_NAMES.filter((name) => !ELSEWHERE.includes(name));
  const hooks = Object.fromEntries(
    names.map((name) => [
      name,
      () => {
        seen.push(name);
        return answers[name];
      },
    ]),
  );
  return definePlugin({ name: 'recorder', about: 'Writes down hooks.', hooks: hooks as Hooks<unknown> });
}

async function connect(seen: string[], answers: Partial<Record<HookName, Verdict>>): Promise<TestClient> {
  const server = await TestServer.start({ plugins: [recorder(seen, answers)] });
  servers.push(server);
  const client = server.connect();
  await client.reply();
  return client;
}

async function deliver(client: TestClient): Promise<string> {
  await client.say('EHLO client.example');
  await client.say('MAIL FROM:<a@b.example>');
  await client.say('RCPT TO:<u@example.test>');
  await client.say('DATA');
  return client.say('Subject: x\r\n\r\nx\r\n.');
}

async function quit(client: TestClient): Promise<void> {
  await client.say('QUIT');
  await client.isClosed();
}

const ENVELOPE = 'mail_parse mail_pre mail rcpt_parse rcpt_pre rcpt';
const CONTENT = 'data data_headers_end data_post_headers received_line data_post';
const FAREWELL = 'quit disconnect reset_transaction post-connection';

test('a message that is accepted', async () => {
  const seen: string[] = [];
  const client = await connect(seen, { rcpt: ok(), queue: ok('queued') });
  expect(await deliver(client)).toBe('250 queued');
  await quit(client);
  expect(seen.join(' ')).toBe(
    `pre-connection connect ehlo_parse ehlo reset_transaction ${ENVELOPE} ${CONTENT} ` +
      `queue_pre queue reset_transaction queue_post ${FAREWELL}`,
  );
});

test('AUTH asks for the mechanism first, then for any', async () => {
  const seen: string[] = [];
  const client = await connect(seen, {});
  await client.say('EHLO client.example');
  seen.length = 0;
  expect(await client.say('AUTH PLAIN AHUAcA==')).toMatch(/^535 /);
  expect(seen).toEqual(['auth_parse', 'auth-plain', 'auth']);
});

test.each([
  ['a recipient that is refused', { rcpt: deny() }, `${ENVELOPE} data`],
  ['DATA that is refused', { rcpt: ok(), data: deny() }, `${ENVELOPE} data reset_transaction`],
  [
    'a message that is refused',
    { rcpt: ok(), data_post: deny() },
    `${ENVELOPE} ${CONTENT} reset_transaction`,
  ],
  [
    'a message that nobody queues',
    { rcpt: ok() },
    `${ENVELOPE} ${CONTENT} queue_pre queue reset_transaction queue_post`,
  ],
] as const)('%s', async (_, answers, hooks) => {
  const seen: string[] = [];
  const client = await connect(seen, answers);
  expect(await deliver(client)).toMatch(/^[45]/);
  // What followed a refused DATA was no message but two unknown commands and a few more.
  const asked = seen.filter((name) => name !== 'unrecognized_command');
  expect(asked.join(' ')).toBe(`pre-connection connect ehlo_parse ehlo reset_transaction ${hooks}`);
  asked.length = 0;
  client.destroy();
});

test('a client that is refused at once', async () => {
  const seen: string[] = [];
  const client = await connect(seen, { connect: deny('no') });
  await client.isClosed();
  expect(seen.join(' ')).toBe('pre-connection connect disconnect reset_transaction post-connection');
});

test('a client that vanishes', async () => {
  const seen: string[] = [];
  const client = await connect(seen, {});
  client.destroy();
  while (!seen.includes('post-connection')) await new Promise((resolve) => setImmediate(resolve));
  expect(seen.join(' ')).toBe('pre-connection connect disconnect reset_transaction post-connection');
});

test('the second EHLO of a client ends its transaction, the first has none to end', async () => {
  const seen: string[] = [];
  const client = await connect(seen, {});
  await client.say('EHLO client.example');
  await client.say('MAIL FROM:<a@b.example>');
  await client.say('EHLO client.example');
  expect(seen.join(' ')).toBe(
    'pre-connection connect ehlo_parse ehlo reset_transaction mail_parse mail_pre mail ' +
      'ehlo_parse ehlo reset_transaction',
  );
});

test('deny follows every denial, ok everything else, and neither itself', async () => {
  const seen: string[] = [];
  const tell = (name: 'deny' | 'ok') => (_: unknown, plugin: string, verdict: Verdict) => {
    seen.push(`${name}(${plugin} ${nameOf(verdict.code)})`);
  };
  const listener = definePlugin({
    name: 'listener',
    about: 'Listens to verdicts.',
    hooks: { deny: tell('deny'), ok: tell('ok') },
  });
  const speaker = definePlugin({
    name: 'speaker',
    about: 'Has opinions.',
    hooks: { noop: () => deny('no'), vrfy: () => ok('yes'), help: () => undefined },
  });
  const server = await TestServer.start({ plugins: [speaker, listener] });
  servers.push(server);
  const client = await server.greeted();
  for (const command of ['NOOP', 'VRFY x', 'HELP']) await client.say(command);
  expect(seen).toEqual(['deny(speaker DENY)', 'ok(speaker OK)', 'ok(speaker DECLINED)']);
});
