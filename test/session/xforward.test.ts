/** XFORWARD: from whom it is taken, what it may say, how long it holds, and that nothing hangs on it. Postfix's XFORWARD_README. */

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, ok, type ForwardedClient } from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { attributeLines, xforwardAttributes } from '../../plugins/queue/smtp/client-introduction.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const ALL = 'NAME ADDR PORT PROTO HELO IDENT SOURCE';
const SPOKEN =
  'XFORWARD NAME=orig.example ADDR=IPV6:2001:DB8::7 PORT=4711 PROTO=ESMTP HELO=h+20i IDENT=4F1 SOURCE=REMOTE';
const HEARD: ForwardedClient = {
  host: 'orig.example',
  ip: '2001:db8::7',
  port: 4_711,
  protocol: 'ESMTP',
  helloHost: 'h i',
  ident: '4F1',
  source: 'remote',
};
const UNKNOWN = Object.fromEntries(Object.keys(HEARD).map((name) => [name, undefined]));

/** What the plugins were told at each RCPT, and what was logged of transactions. */
function witness() {
  const told: (ForwardedClient | undefined)[] = [];
  const lines: string[] = [];
  const plugin = definePlugin({
    name: 'witness',
    about: 'Notes what it is told.',
    logsUpTo: () => 5,
    hooks: {
      mail: (_, { localPart }) => (localPart === 'bad' ? deny('not you') : undefined),
      rcpt({ connection: { forwarded } }) {
        told.push(forwarded);
        return ok();
      },
      queue: () => ok('kept'),
      logging(_, { text }) {
        if (text.startsWith('transaction')) lines.push(text);
      },
    },
  });
  return { told, lines, plugin };
}

async function start({ config, plugins = [] }: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start({
    plugins,
    config: { xforward_hosts: '127.0.0.1', ...config },
  });
  ends.push(() => server.close());
  return server;
}

async function send(client: TestClient): Promise<string> {
  for (const line of ['MAIL FROM:<s@c.example>', 'RCPT TO:<r@d.example>', 'DATA']) await client.say(line);
  return client.say('Subject: x\r\n\r\nx\r\n.');
}

describe('who may say it', () => {
  test('those in xforward_hosts, by the address of the socket', async () => {
    const server = await start();
    const front = server.connect();
    await front.reply();
    expect(await front.say('EHLO front.example')).toContain(`XFORWARD ${ALL}`);
    expect(await front.say(SPOKEN)).toBe('250 OK');
    const client = await server.greeted({ address: '192.0.2.1' });
    expect(await client.say('EHLO c.example')).not.toContain('XFORWARD');
    expect(await client.say(SPOKEN)).toBe('550 Error: insufficient authorization');
  });

  test.each([
    ['nobody without the file', { xforward_hosts: '' }],
    ['nobody who may only say XCLIENT', { xforward_hosts: '10.0.0.1', xclient_hosts: '127.0.0.1' }],
    ['nobody with extensions_off', { extensions_off: 'XFORWARD' }],
  ])('%s', async (_, config) => {
    const client = await (await start({ config })).greeted();
    expect(await client.say('EHLO c.example')).not.toContain('XFORWARD');
    expect(await client.say(SPOKEN)).toMatch(/^550/);
  });

  test('a client that XCLIENT has named says it through the proxy, which has to be trusted for it as well', async () => {
    const client = await (await start({ config: { xclient_hosts: '127.0.0.1' } })).greeted();
    await client.say('XCLIENT ADDR=192.0.2.1');
    expect(await client.say('EHLO c.example')).toContain('XFORWARD');
  });

  test('strangers that try on and on are sent away', async () => {
    const client = await (
      await start({ config: { max_unrecognized: '3' } })
    ).greeted({ address: '192.0.2.1' });
    for (let count = 0; count < 3; count++) expect(await client.say(SPOKEN)).toMatch(/^550/);
    expect(await client.say(SPOKEN)).toMatch(/^421/);
  });
});

describe('what it says', () => {
  test('plugins and the log are told, and nothing else changes', async () => {
    const { told, lines, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    await client.say(SPOKEN);
    expect(await send(client)).toMatch(/^250/);
    expect(told).toEqual([HEARD]);
    expect(lines[0]).toContain(
      'client=127.0.0.1:40000 helo=client.example orig_client=[2001:db8::7]:4711 orig_host=orig.example orig_helo="h i" orig_id=4F1 from=',
    );
  });

  test('in several commands, where what is unavailable is unknown', async () => {
    const { told, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    for (const line of [
      'NAME=[UNAVAILABLE] addr=192.0.2.7',
      'PORT=[TEMPUNAVAIL] HELO=a',
      'HELO=b SOURCE=local',
    ])
      expect(await client.say(`XFORWARD ${line}`)).toMatch(/^250/);
    await send(client);
    expect(told).toEqual([{ ...UNKNOWN, ip: '192.0.2.7', helloHost: 'b', source: 'local' }]);
  });

  test.each([
    '',
    'X',
    'ADDR',
    'ADDR=',
    '=x',
    'ADDR=192.0.2',
    'ADDR=2001:db8::1',
    'ADDR=IPV6:x',
    'PORT=65536',
    'PORT=-1',
    'SOURCE=there',
    'PROTO=E SMTP',
    'PROTO=a-b',
    'LOGIN=x',
    'HELO=a HELO=b',
    'HELO=a+0D+0Ab',
    `IDENT=${'x'.repeat(256)}`,
  ])('"%s" is refused, and nothing of it counts', async (argument) => {
    const { told, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    expect(await client.say(`XFORWARD NAME=good.example ${argument}`.trimEnd())).toMatch(
      argument === '' ? /^250/ : /^501 Bad XFORWARD attributes/,
    );
    expect(await client.say(`XFORWARD ${argument}`)).toMatch(/^501/);
    await send(client);
    expect(told).toEqual([argument === '' ? { ...UNKNOWN, host: 'good.example' } : undefined]);
  });

  test('what our own outlets say is understood, whoever the client was', async () => {
    const { told, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '+', '=', '"', 'é', '%') });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('192.0.2.1', '2001:db8::1', 'fe80::1%eth0', '?'),
        text,
        async (ip, name) => {
          const sending = {
            ...{ ip, port: 1, host: name, helloHost: name, protocol: 'ESMTP' as const },
            ...{ user: undefined, localIp: '::1', localPort: 25 },
          };
          for (const line of attributeLines(
            'XFORWARD',
            xforwardAttributes({ client: sending, id: 'i.1' }),
            ALL,
          ))
            expect(await client.say(line), line).toBe('250 OK');
          await send(client);
          expect(told.at(-1)).toMatchObject({ helloHost: name === '' ? undefined : name, ident: 'i.1' });
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('it holds for one message', () => {
  test.each([
    ['the end of data', async (client: TestClient) => void (await send(client))],
    ['RSET', async (client: TestClient) => void (await client.say('RSET'))],
    [
      'RSET in a transaction',
      async (client: TestClient) => {
        await client.say('MAIL FROM:<s@c.example>');
        await client.say('RSET');
      },
    ],
    ['EHLO', async (client: TestClient) => void (await client.say('EHLO again.example'))],
    ['another MAIL', async (client: TestClient) => void (await client.say('MAIL FROM:<s@c.example>'))],
  ])('%s forgets it', async (_, end) => {
    const { told, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    await client.say(SPOKEN);
    await end(client);
    told.splice(0);
    await send(client);
    expect(told).toEqual([undefined]);
  });

  test('a refused MAIL leaves it to the next, and its line of the log has it', async () => {
    const { told, lines, plugin } = witness();
    const client = await (await start({ plugins: [plugin] })).greeted();
    await client.say(SPOKEN);
    expect(await client.say('MAIL FROM:<bad@c.example>')).toMatch(/^550/);
    expect(lines[0]).toContain('orig_client=[2001:db8::7]:4711');
    await send(client);
    expect(told).toEqual([HEARD]);
  });

  test('not inside a transaction', async () => {
    const client = await (await start()).greeted();
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say(SPOKEN)).toBe('503 Error: MAIL transaction in progress');
  });
});

/** Another daemon as next hop; what it is told of each client. */
async function startHop(): Promise<{ told: (ForwardedClient | undefined)[]; port: string }> {
  const { told, plugin } = witness();
  const hop = await Server.load({
    acceptors: [new SocketAcceptor(parseListen('tcp://127.0.0.1:0'))],
    directories: [],
    overlay: new Map([
      ['me', ['hop.test']],
      ['plugins', ['witness']],
      ['xforward_hosts', ['127.0.0.1']],
    ]),
    definitions: [plugin],
    reverseLookup: noReverseLookup,
  });
  const [address = ''] = await hop.listen();
  ends.push(() => hop.drain(0));
  return { told, port: /:(\d+)$/.exec(address)![1]! };
}

describe('a chain', () => {
  test.each(['queue/smtp-forward', 'queue/cut-through'])(
    '%s hands the first client on, and the one before where there was none',
    async (plugin) => {
      const { told, port } = await startHop();
      const accept = definePlugin({ name: 'accept', about: 'Accepts all.', hooks: { rcpt: () => ok() } });
      const server = await start({ plugins: [accept, `${plugin} 127.0.0.1 ${port} xforward`] });
      const client = await server.greeted();
      await client.say(SPOKEN);
      expect(await send(client)).toMatch(/^250/);
      await client.say('XFORWARD SOURCE=LOCAL');
      expect(await send(client)).toMatch(/^250/);
      expect(await send(client)).toMatch(/^250/);
      const [first, second, third] = told;
      expect(first).toEqual(HEARD);
      expect(second).toMatchObject({ ip: undefined, source: 'local' });
      expect(third).toMatchObject({
        ip: '127.0.0.1',
        port: 40_000,
        helloHost: 'client.example',
        source: 'remote',
      });
      expect(third!.ident).toMatch(/\.3$/);
    },
  );
});
