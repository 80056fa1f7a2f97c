/** One line for each transaction and for each connection that had none, at the level an operator has the log at. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  declined,
  defineOutlet,
  definePlugin,
  deny,
  denyDisconnect,
  denySoft,
  LogLevel,
  ok,
} from '../../bindings/plugin/index.ts';
import type { Hooks, LogRecord } from '../../bindings/plugin/hooks.ts';
import { TestServer, type TestClient } from '../../host/testing/index.ts';
import { cutThroughTo } from '../delivery/cut-through.ts';

const servers: TestServer[] = [];
let lines: string[] = [];
let events: LogRecord[] = [];

beforeEach(() => {
  lines = [];
  events = [];
});
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const plugin = (name: string, hooks: Hooks<unknown>) => definePlugin({ name, about: 'For a test.', hooks });

/** Keeps what is written at NOTICE, for the test that runs. */
const recorder = (level: LogLevel = LogLevel.NOTICE, kept = { lines, events }) =>
  definePlugin({
    name: 'recorder',
    about: 'For a test.',
    logsUpTo: () => level,
    hooks: {
      logging(_, { text, event }) {
        kept.lines.push(text);
        if (event !== undefined) kept.events.push(event);
      },
    },
  });

const judge = plugin('judge', {
  rcpt: (_, address) => (address.localPart.startsWith('bad') ? deny('no such user') : ok()),
});

async function start(hooks: Hooks<unknown> = {}, config: Record<string, string> = {}): Promise<TestServer> {
  const plugins = [
    plugin('probe', hooks),
    judge,
    plugin('store', { queue: () => ok('Queued!') }),
    recorder(),
  ];
  const server = await TestServer.start({ plugins, config });
  servers.push(server);
  return server;
}

/** The lines of transactions and connections, without what hangs on time and chance. */
const summaries = (): string[] =>
  lines
    .filter((line) => /^(?:transaction|connection) /.test(line))
    .map((line) =>
      line
        .replace(/ id=\S+/, '')
        .replace(/ client=127\.0\.0\.1:\d+/, '')
        .replace(/ ms=\d+/, ''),
    );

async function sayAll(client: TestClient, ...commands: string[]): Promise<void> {
  for (const command of commands) await client.say(command);
}

const MAIL = 'MAIL FROM:<a@b.example>';
const RCPT = 'RCPT TO:<c@d.example>';
const HEAD = 'transaction helo=client.example from=<a@b.example>';
const ONE = 'accepted=1 refused=0 to=<c@d.example>:accepted';

test('a message: who sent what to whom, what became of each, and who decided', async () => {
  const client = await (await start()).greeted({ address: '192.0.2.1', port: 4711 });
  await sayAll(
    client,
    MAIL,
    RCPT,
    'RCPT TO:<bad@d.example>',
    'RCPT TO:nonsense',
    'RCPT TO:<e@f.example>',
    'DATA',
  );
  await sayAll(client, 'Message-Id: <1@b.example>\r\n\r\nHello\r\n.');
  const [line, ...others] = lines.filter((text) => text.startsWith('transaction'));
  expect(others).toEqual([]);
  expect(line).toMatch(
    /^transaction id=\S+\.\d+ client=192\.0\.2\.1:4711 helo=client\.example from=<a@b\.example> result=250 decided=store octets=36 message_id=<1@b\.example> ms=\d+ accepted=2 refused=2 to=<bad@d\.example>:550\/judge to=nonsense:501 to=<c@d\.example>:accepted to=<e@f\.example>:accepted$/,
  );
  expect(events[0]).toMatchObject({
    name: 'transaction',
    from: '<a@b.example>',
    result: '250',
    octets: 36,
    to: expect.arrayContaining(['<bad@d.example>:550/judge', '<c@d.example>:accepted']) as unknown,
  });
  await client.say('QUIT');
  expect(lines.some((text) => text.startsWith('connection '))).toBe(false);
});

describe('each end of a transaction has one line', () => {
  test.each<[string, readonly string[], string]>([
    ['RSET', [MAIL, RCPT, 'RSET'], `${HEAD} result=rset ${ONE}`],
    ['another MAIL', [MAIL, RCPT, 'MAIL FROM:<x@y.example>', 'NOOP'], `${HEAD} result=mail ${ONE}`],
    ['EHLO', [MAIL, RCPT, 'EHLO client.example'], `${HEAD} result=hello ${ONE}`],
    ['QUIT', [MAIL, RCPT, 'QUIT'], `${HEAD} result=quit ${ONE}`],
    [
      'QUIT after a refused recipient',
      [MAIL, 'RCPT TO:<bad@d.example>', 'QUIT'],
      `${HEAD} result=quit accepted=0 refused=1 to=<bad@d.example>:550/judge`,
    ],
    [
      'a broken MAIL',
      ['MAIL FROM:nonsense', 'NOOP'],
      'transaction helo=client.example from=nonsense result=501',
    ],
    [
      'content refused by us',
      [MAIL, RCPT, 'DATA', 'a: b\r\n\r\nc\rd\r\n.'],
      `${HEAD} result=550 octets=13 ${ONE}`,
    ],
  ])('%s', async (_, commands, line) => {
    const client = await (await start()).greeted();
    await sayAll(client, ...commands);
    expect(summaries()).toEqual([line]);
  });

  test.each<[string, Hooks<unknown>, string]>([
    ['mail', { mail: () => deny() }, 'result=550 decided=probe'],
    ['mail, and the connection', { mail: () => denyDisconnect() }, 'result=550 decided=probe'],
    ['mail for now', { mail: () => denySoft() }, 'result=450 decided=probe'],
    ['data', { data: () => deny() }, `result=554 decided=probe ${ONE}`],
    ['data_post', { data_post: () => deny() }, `result=552 decided=probe octets=8 ${ONE}`],
    [
      'data_post for now',
      { data_post: () => Promise.resolve(denySoft()) },
      `result=452 decided=probe octets=8 ${ONE}`,
    ],
    ['queue', { queue: () => deny() }, `result=552 decided=probe octets=8 ${ONE}`],
    [
      'queue for now',
      { queue: () => Promise.resolve(denySoft()) },
      `result=452 decided=probe octets=8 ${ONE}`,
    ],
    [
      'queue, whose plugin throws',
      {
        queue() {
          throw new Error('no');
        },
      },
      `result=452 decided=probe octets=8 ${ONE}`,
    ],
    ['vrfy', { vrfy: () => deny() }, `result=554 decided=probe ${ONE}`],
  ])('a plugin refuses at %s', async (hook, hooks, rest) => {
    const client = await (await start(hooks)).greeted();
    await sayAll(client, MAIL);
    if (!hook.startsWith('mail')) await sayAll(client, RCPT);
    if (hook.startsWith('vrfy')) await sayAll(client, 'VRFY x');
    else if (!hook.startsWith('mail')) await sayAll(client, 'DATA');
    if (/^(?:data_post|queue)/.test(hook)) await sayAll(client, 'a: b\r\n\r\n.');
    expect(summaries().map((line) => line.replace(/ message_id=\S+/, ''))).toEqual([`${HEAD} ${rest}`]);
  });

  test('a message that is too big', async () => {
    const client = await (await start({}, { databytes: '100' })).greeted();
    await sayAll(client, MAIL, RCPT, 'DATA');
    expect(await client.say(`a: b\r\n\r\n${'x'.repeat(200)}\r\n.`)).toBe('552 Message too big!');
    expect(await client.say('NOOP')).toBe('250 OK');
    expect(summaries()).toEqual([expect.stringMatching(/ result=552 octets=\d+ accepted=1 refused=0 to=/)]);
  });

  test('the client is gone, between two commands and inside the message', async () => {
    const server = await start();
    for (const last of [[], ['DATA']]) {
      const client = await server.greeted();
      await sayAll(client, MAIL, 'RCPT TO:<bad@d.example>', RCPT, ...last);
      client.destroy();
    }
    await expect.poll(() => summaries().length).toBe(2);
    expect(summaries()[0]).toContain(' result=disconnect accepted=1 refused=1 ');
    expect(summaries()[1]).toMatch(/ result=(?:disconnect|451) octets=0 accepted=1 refused=1 /);
  });

  test('the client keeps silent', async () => {
    const client = await (await start({}, { timeout: '1' })).greeted();
    await sayAll(client, MAIL, RCPT);
    expect(await client.reply()).toBe('421 Connection Timed Out');
    await expect.poll(summaries, { timeout: 30_000 }).toEqual([`${HEAD} result=timeout ${ONE}`]);
  }, 60_000);

  test('a queue that answers after the client has gone', async () => {
    let answer: (() => void) | undefined;
    const queue = () => new Promise<typeof declined>((resolve) => (answer = () => resolve(declined)));
    const client = await (await start({ queue })).greeted();
    await sayAll(client, MAIL, RCPT, 'DATA');
    client.send('a: b\r\n\r\n.\r\n');
    await expect.poll(() => answer).toBeDefined();
    client.destroy();
    answer!();
    await expect.poll(() => summaries().length).toBe(1);
  });
});

describe('a connection without a transaction', () => {
  test.each<[string, readonly string[], Hooks<unknown>, string]>([
    ['QUIT', ['EHLO c.example', 'QUIT'], {}, 'connection helo=c.example result=quit commands=2'],
    ['refused', [], { connect: () => deny() }, 'connection result=550 decided=probe commands=0'],
    [
      'a scanner',
      ['GET / HTTP/1.1', 'Host: x', 'QUIT'],
      {},
      'connection result=quit commands=3 unrecognized=2',
    ],
  ])('%s', async (_, commands, hooks, line) => {
    const client = (await start(hooks)).connect();
    await client.reply();
    await sayAll(client, ...commands);
    await expect.poll(summaries).toEqual([line]);
  });

  test('the client closes its side', async () => {
    const client = (await start()).connect();
    await client.reply();
    client.destroy();
    await expect.poll(summaries).toEqual(['connection result=disconnect commands=0']);
  });
});

test('a message in chunks, and the hop it went to', async () => {
  const store = defineOutlet({
    name: 'probe',
    about: 'For a test.',
    outlet: () => ({
      deliver: ({ recipients }) =>
        Promise.resolve(
          recipients.map(() => ({
            kind: 'delivered' as const,
            reply: { code: 250, status: undefined, lines: ['taken'] },
            hop: 'mx.example:25',
          })),
        ),
    }),
  });
  const server = await TestServer.start({ plugins: [judge, store, recorder()] });
  servers.push(server);
  const client = await server.greeted();
  await sayAll(client, MAIL, RCPT, 'BDAT 8\r\na: b\r\n\r\n'.slice(0, -2), 'BDAT 0 LAST');
  expect(summaries()).toEqual([`${HEAD} result=250 decided=probe hop=mx.example:25 octets=8 ${ONE}`]);
});

test('a message that goes on while it comes: the hop, and the plugin that leads to it', async () => {
  const way = await cutThroughTo({}, { plugins: [recorder()] });
  const client = await way.server.greeted();
  await sayAll(client, MAIL, 'RCPT TO:<never@x.test>', RCPT, 'DATA', 'a: b\r\n\r\n.');
  expect(summaries()).toEqual([
    expect.stringMatching(
      /^transaction .* result=250 decided=way hop=\S+ octets=8 accepted=1 refused=1 to=<never@x.test>:550\/accepting to=<c@d.example>:accepted$/,
    ),
  ]);
  client.destroy();
  await way.close();
});

test('a thousand recipients: the refused ones are named first, the rest is counted', async () => {
  const client = await (
    await start({}, { max_recipients: '2000', max_refused_recipients: '0', max_commands: '0' })
  ).greeted();
  await client.say(MAIL);
  for (let index = 0; index < 1_000; index++) await client.say(`RCPT TO:<user-${index}@d.example>`);
  for (let index = 0; index < 3; index++) await client.say(`RCPT TO:<bad-${index}@d.example>`);
  await client.say('RSET');
  const [line] = summaries();
  expect(line!.length).toBeLessThanOrEqual(8_192);
  expect(line).toContain('accepted=1000 refused=3 to=<bad-0@d.example>:550/judge to=<bad-1@');
  const more = Number(/ more=(\d+)$/.exec(line!)?.[1]);
  expect(more + line!.match(/ to=/g)!.length).toBe(1_003);
});

test('no client writes fields of its own', async () => {
  const client = await (await start()).greeted();
  await sayAll(client, 'EHLO x"result=250', 'MAIL FROM:<"a result=250 to="@b.example>', 'RSET');
  expect(summaries()).toEqual([
    'transaction helo="x\\"result=250" from="<\\"a\\\\ result=250\\\\ to=\\"@b.example>" result=rset accepted=0 refused=0',
  ]);
});

test('nobody wants to read of it, and nothing is kept', async () => {
  const server = await TestServer.start({ plugins: [judge, recorder(LogLevel.WARN)] });
  servers.push(server);
  await sayAll(await server.greeted(), MAIL, RCPT, 'RSET', 'QUIT');
  expect(lines).toEqual([]);
});
