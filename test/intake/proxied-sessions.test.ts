/** Sessions behind a proxy that sends PROXY headers, over real sockets: who they are, who may, and who is turned away. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { V2_SIGNATURE } from '../../bindings/wire/proxy-header.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen, printListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { LocalLedger } from '../../host/process/connection-ledger.ts';
import { Server } from '../../host/server/server.ts';
import { memoryPair, TestClient } from '../../host/testing/index.ts';
import { CertificateFolder, makePair, SecureClient } from '../tls/secure-server.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const V1 = (ip: string): string => `PROXY TCP4 ${ip} 198.51.100.1 40000 25\r\n`;
const LOCAL = Buffer.concat([V2_SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);

/** Version 2 for 192.0.2.7, with TLS 1.3, the name mx.example and a verified certificate of `client one`. */
function secured(): Buffer {
  const field = (type: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([type, 0, text.length]), Buffer.from(text)]);
  const facts = Buffer.concat([
    Buffer.from([7, 0, 0, 0, 0]),
    field(0x21, 'TLSv1.3'),
    field(0x22, 'client one'),
    field(0x23, 'TLS_AES_256_GCM_SHA384'),
  ]);
  const block = Buffer.concat([
    Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0, 25]),
    field(2, 'mx.example'),
    Buffer.from([0x20, 0, facts.length]),
    facts,
  ]);
  return Buffer.concat([V2_SIGNATURE, Buffer.from([0x21, 0x11, 0, block.length]), block]);
}

interface Started {
  readonly port: number;
  readonly server: Server;
  /** What the plugin saw of each client. */
  readonly seen: string[];
  readonly log: string[];
  client(): TestClient;
}

async function start(
  listenOptions: string,
  config: Record<string, readonly string[]> = {},
  maxConnections?: number,
): Promise<Started> {
  const seen: string[] = [];
  const log: string[] = [];
  const look = definePlugin({
    name: 'look',
    about: 'Notes who the client is.',
    hooks: {
      connect({ connection: { remoteIp, remotePort, localIp, peerIp, tls, fromSameAddress } }) {
        seen.push(
          `${remoteIp}:${remotePort} to ${localIp} by ${peerIp}, ${tls?.version}, ${fromSameAddress}`,
        );
      },
      rcpt: () => ok(),
      queue: ({ connection: { tls } }) =>
        ok(`${tls?.by} ${tls?.serverName} ${tls?.clientName} ${tls?.verified}`),
      logging: (_, { text }) => void log.push(text),
    },
  });
  const server = await Server.load({
    acceptors: [new SocketAcceptor(parseListen(`tcp://127.0.0.1:0 ${listenOptions}`))],
    directories: [],
    overlay: new Map([
      ['me', ['mx.test']],
      ['plugins', ['look']],
      ['loglevel', ['6']],
      ...Object.entries(config),
    ]),
    definitions: [look],
    reverseLookup: noReverseLookup,
    ledger: new LocalLedger(2),
    maxConnections,
  });
  ends.push(() => server.drain(0));
  const [address = ''] = await server.listen();
  const port = Number(/:(\d+)/.exec(address.slice('tcp://'.length))![1]);
  return {
    port,
    server,
    seen,
    log,
    client() {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      ends.push(() => socket.destroy());
      return new TestClient(socket);
    },
  };
}

describe('proxy=required', () => {
  test('the client is the one that the proxy names, and the header may share a segment with EHLO', async () => {
    const { client, seen } = await start('proxy=required');
    const proxied = client();
    proxied.send(`${V1('192.0.2.7')}EHLO client.example\r\n`);
    expect(await proxied.reply()).toMatch(/^220 mx\.test ESMTP/);
    expect(await proxied.reply()).toMatch(/^250-mx\.test Hi Unknown \[192\.0\.2\.7\]/);
    expect(seen).toEqual(['192.0.2.7:40000 to 198.51.100.1 by 127.0.0.1, undefined, 1']);
  });

  test('connections count for the client, not for the proxy', async () => {
    const { client, server } = await start('proxy=required');
    const say = async (ip: string): Promise<string> => {
      const proxied = client();
      proxied.send(V1(ip));
      return (await proxied.reply()).slice(0, 3);
    };
    expect([await say('192.0.2.1'), await say('192.0.2.1'), await say('192.0.2.1')]).toEqual([
      '220',
      '220',
      '451',
    ]);
    expect([await say('192.0.2.2'), await say('192.0.2.2')]).toEqual(['220', '220']);
    for (const end of ends.splice(1)) await end();
    await expect.poll(() => server.sessions).toBe(0);
    expect(await say('192.0.2.1')).toBe('220');
  });

  test('TLS that the proxy has ended: no STARTTLS is offered, and plugins know what it was', async () => {
    const { client, seen } = await start('proxy=required');
    const proxied = client();
    proxied.send(secured());
    await proxied.reply();
    expect(await proxied.say('EHLO client.example')).not.toContain('STARTTLS');
    await proxied.say('MAIL FROM:<a@client.example>');
    await proxied.say('RCPT TO:<b@mx.test>');
    await proxied.say('DATA');
    expect(await proxied.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 proxy mx\.example client one true/);
    expect(seen).toEqual(['192.0.2.7:40000 to 198.51.100.1 by 127.0.0.1, TLSv1.3, 1']);
  });

  test('a health check is answered, and no plugin, count or log knows of it', async () => {
    const { client, seen, log } = await start('proxy=required');
    const before = log.length;
    const checks = [client(), client(), client()];
    for (const check of checks) {
      check.send(LOCAL);
      expect(await check.reply()).toMatch(/^220 /);
      expect(await check.say('EHLO balancer.example')).toMatch(/^250/);
    }
    expect(await checks[0]!.say('MAIL FROM:<a@b.example>')).toMatch(/^250/);
    expect(await checks[0]!.say('RCPT TO:<a@mx.test>')).toMatch(/^[45]50/);
    for (const check of checks) expect(await check.say('QUIT')).toMatch(/^221/);
    expect(seen).toEqual([]);
    expect(log.slice(before)).toEqual([]);
  });

  test.each([
    ['speaks without a header', 'EHLO client.example\r\n', 'no PROXY header'],
    [
      'lies about lengths',
      Buffer.concat([V2_SIGNATURE, Buffer.from([0x21, 0x11, 0, 3, 1, 2, 3])]),
      'no room',
    ],
    [
      'sends 64 KiB of fields',
      Buffer.concat([V2_SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]),
      'longer than',
    ],
  ])('a peer that %s gets no reply, and its place is free again', async (_, octets, problem) => {
    const { client, log, seen, server } = await start('proxy=required');
    const peer = client();
    peer.send(octets);
    expect(await peer.reply()).toBe('');
    await expect.poll(() => log.join('\n')).toContain(`no PROXY header from 127.0.0.1: ${problem}`);
    expect([seen, server.sessions]).toEqual([[], 0]);
  });

  test('a peer that sends nothing is not waited for longer than proxy_timeout', async () => {
    const { client, log } = await start('proxy=required', { proxy_timeout: ['1'] });
    expect(await client().reply()).toBe('');
    expect(log.join('\n')).toContain('no PROXY header within 1 s');
  });
});

describe('who may send a header goes by the other end of the socket', () => {
  test.each([
    ['proxy=required proxy-from=10.0.0.0/8', {}],
    ['proxy=required', { proxy_hosts: ['10.0.0.1'] }],
  ])('%s %o: anybody else is turned away unheard', async (listenOptions, config) => {
    const { client, log, seen } = await start(listenOptions, config);
    const stranger = client();
    stranger.send(V1('192.0.2.7'));
    expect(await stranger.reply()).toBe('');
    await expect.poll(() => log.join('\n')).toContain('it is none of the proxies that may connect');
    expect(seen).toEqual([]);
  });

  test('proxy-from alone: those peers must, all others are clients, whose header is no command', async () => {
    const { client, seen } = await start('proxy-from=10.0.0.0/8,::1');
    const plain = client();
    expect(await plain.reply()).toMatch(/^220/);
    expect(await plain.say(V1('192.0.2.7').trimEnd())).toMatch(/^500/);
    expect(seen).toEqual([
      '127.0.0.1:PORT to 127.0.0.1 by 127.0.0.1, undefined, 1'.replace('PORT', portOf(seen)),
    ]);
    const { client: proxied, seen: named } = await start('proxy-from=127.0.0.0/8');
    const other = proxied();
    other.send(V1('192.0.2.9'));
    expect(await other.reply()).toMatch(/^220/);
    expect(named[0]).toContain('192.0.2.9:40000');
  });

  test('the address in the header earns no trust: it may be that of a proxy', async () => {
    const config = { xclient_hosts: ['192.0.2.7'], proxy_hosts: ['127.0.0.1'] };
    const { client } = await start('proxy=required', config);
    const proxied = client();
    proxied.send(V1('192.0.2.7'));
    await proxied.reply();
    expect(await proxied.say('EHLO client.example')).not.toContain('XCLIENT');
    expect(await proxied.say('XCLIENT ADDR=127.0.0.1')).toMatch(/^5/);
  });
});

test('a plain listener that gets version 2 answers the `QUIT` in its signature, and never takes the header', async () => {
  const { client, seen } = await start('');
  const mistaken = client();
  expect(await mistaken.reply()).toMatch(/^220/);
  mistaken.send(secured());
  const replies = [];
  for (let reply = await mistaken.reply(); reply !== ''; reply = await mistaken.reply())
    replies.push(reply.slice(0, 3));
  expect(replies).toEqual(['500', '500', '500', '221']);
  expect(seen).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
});

test('no octet is sent before the header is there', async () => {
  const { client } = await start('proxy=required');
  const waiting = client();
  let octets = 0;
  waiting.stream.on('data', (text: string) => (octets += text.length));
  waiting.send(V1('192.0.2.7').slice(0, -1));
  // Another client is served meanwhile, from its connection to its end.
  const other = client();
  other.send(V1('192.0.2.8'));
  await other.reply();
  expect(await other.say('QUIT')).toMatch(/^221/);
  expect(octets).toBe(0);
  waiting.send('\n');
  expect(await waiting.reply()).toMatch(/^220/);
});

test('peers that are still to send their header take places: a flood of them is limited like clients', async () => {
  const { client } = await start('proxy=required', {}, 2);
  const silent = [client(), client()];
  for (const { stream } of silent) await once(stream, 'connect');
  const waiting = client();
  waiting.send(V1('192.0.2.7'));
  let isServed = false;
  waiting.stream.once('data', () => (isServed = true));
  for (const peer of silent) peer.send('PROXY TCP4 ');
  expect(isServed).toBe(false);
  silent[0]!.destroy();
  expect(await waiting.reply()).toMatch(/^220/);
});

test('TLS after the header, both cut at every octet up to the record of TLS', async () => {
  const folder = new CertificateFolder();
  ends.push(() => folder.remove());
  const plugins = ['look', `tls ${folder.write('mx', makePair('mx.test'))}`];
  const { seen, server, port } = await start('tls=implicit proxy=required', { plugins });
  const header = secured();
  for (let cut = 1; cut < header.length + 6; cut++) {
    const [ours, theirs] = memoryPair();
    const greeted = once(theirs, 'data') as Promise<[Buffer]>;
    const inside = SecureClient.over(ours as never);
    const octets = Buffer.concat([header, (await greeted)[0]]);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.write(octets.subarray(0, cut));
    await once(socket, 'connect');
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(octets.subarray(cut));
    socket.pipe(theirs).pipe(socket);
    const through = await inside;
    expect(await through.reply(), `${cut}`).toMatch(/^220/);
    through.destroy();
    socket.destroy();
    await expect.poll(() => server.sessions, { interval: 1 }).toBe(0);
  }
  expect(seen).toEqual(
    Array(header.length + 5).fill('192.0.2.7:40000 to 198.51.100.1 by 127.0.0.1, TLSv1.3, 1'),
  );
});

describe('XCLIENT and XFORWARD after the header', () => {
  const config = { xclient_hosts: ['127.0.0.1'], xforward_hosts: ['127.0.0.1'] };

  test('are refused: the client of HAProxy or nginx would say them with the trust that the proxy has', async () => {
    const { client, log } = await start('proxy=required', config);
    const forger = client();
    forger.send(V1('192.0.2.7'));
    await forger.reply();
    expect(await forger.say('EHLO client.example')).not.toMatch(/XCLIENT|XFORWARD/);
    expect(await forger.say('XCLIENT ADDR=127.0.0.1 LOGIN=root')).toMatch(/^550/);
    expect(await forger.say('XFORWARD ADDR=127.0.0.1')).toMatch(/^550/);
    await expect.poll(() => log.join('\n')).toContain('or comes by a proxy (tcp, proxy-v1)');
  });

  test('are taken with xclient=yes, where the proxy itself speaks, and from peers without a header', async () => {
    const { client, seen } = await start('proxy=required xclient=yes', config);
    const proxied = client();
    proxied.send(V1('192.0.2.7'));
    await proxied.reply();
    expect(await proxied.say('EHLO proxy.example')).toMatch(/XCLIENT[^]*XFORWARD/);
    expect(await proxied.say('XCLIENT ADDR=192.0.2.8')).toMatch(/^220/);
    expect(seen[1]).toMatch(/^192\.0\.2\.8:0 /);
    const { client: direct } = await start('proxy-from=10.0.0.1', config);
    await direct().reply();
    const peer = direct();
    await peer.reply();
    expect(await peer.say('XCLIENT ADDR=192.0.2.8')).toMatch(/^220/);
  });

  test('are refused after the verb PROXY of the plugin stunnel, too', async () => {
    const { client } = await start('', { ...config, plugins: ['look', 'stunnel proxy on'] });
    const forger = client();
    await forger.reply();
    forger.send('PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\nEHLO client.example\r\n');
    expect(await forger.reply()).not.toMatch(/XCLIENT/);
    expect(await forger.say('XCLIENT ADDR=127.0.0.1')).toMatch(/^550/);
  });
});

const portOf = (seen: readonly string[]): string => /^127\.0\.0\.1:(\d+)/.exec(seen[0] ?? '')?.[1] ?? '';

test('a client that leaves while the header is waited for takes no place with it', async () => {
  const { client, log, server } = await start('proxy=required');
  for (let count = 0; count < 5; count++) {
    const leaving = client();
    await once(leaving.stream, 'connect');
    leaving.send('PROXY TCP4 ');
    leaving.destroy();
  }
  await expect.poll(() => log.filter((line) => line.includes('after')).length).toBe(5);
  const next = client();
  next.send(V1('192.0.2.7'));
  expect(await next.reply()).toMatch(/^220/);
  expect(server.sessions).toBe(1);
});

describe('the spec of a listener', () => {
  test.each([
    'tcp://127.0.0.1:25 proxy=required',
    'tcp://[::1]:25 tls=implicit proxy=required proxy-from=10.0.0.0/8,2001:db8::/32',
    'unix:/run/q.sock proxy=required',
    'tcp://127.0.0.1:25 proxy-from=10.0.0.1',
    'tcp://127.0.0.1:25 proxy=required xclient=yes',
  ])('%s is printed as it was read', (spec) => {
    expect(printListen(parseListen(spec))).toBe(spec);
  });

  test.each([
    ['tcp://127.0.0.1:25 proxy=yes', /"proxy=yes" is not understood \(proxy=required, or/],
    ['tcp://127.0.0.1:25 proxy-from=', /"proxy-from=" is not understood/],
    ['tcp://127.0.0.1:25 proxy-from=10.0.0.0/33', /10\.0\.0\.0\/33/],
    ['tcp://127.0.0.1:25 proxy=required proxy=required', /"proxy=required" is given twice/],
  ])('%s is refused', (spec, problem) => {
    expect(() => parseListen(spec)).toThrow(problem);
  });
});

test('before a stop health checks are told 421, and clients are served', async () => {
  const { client, server } = await start('proxy=required');
  server.announceStop();
  const check = client();
  check.send(LOCAL);
  expect(await check.reply()).toBe('421 mx.test shutting down, please try again');
  expect(await check.isClosed()).toBe(true);
  const served = client();
  served.send(V1('192.0.2.7'));
  expect(await served.reply()).toMatch(/^220 /);
});

describe('a stop while a header is waited for', () => {
  /** Connected, and accepted: its header is awaited. */
  const connected = async (
    client: TestClient,
    { waiting }: { readonly waiting: () => number },
  ): Promise<void> => {
    await once(client.stream, 'connect');
    await expect.poll(waiting).toBe(1);
  };

  test('the client is served: it had been accepted before', async () => {
    const { client, server } = await start('proxy=required');
    const proxied = client();
    await connected(proxied, { waiting: () => server.connections });
    let isDrained = false;
    const drained = server.drain(600_000).then(() => (isDrained = true));
    // A stop that forgets the client is over after a few turns of the event loop.
    await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, 300))]);
    expect(isDrained).toBe(false);
    proxied.send(V1('192.0.2.7'));
    expect(await proxied.reply()).toMatch(/^220 /);
    expect(await proxied.say('QUIT')).toMatch(/^221 /);
    proxied.destroy();
    await drained;
  });

  test('at the end of the grace period it is cut off, and no session begins on closed plugins', async () => {
    const { client, server, seen } = await start('proxy=required');
    const proxied = client();
    await connected(proxied, { waiting: () => server.connections });
    await server.drain(50);
    expect(await proxied.reply()).toBe('');
    expect([seen, server.sessions, server.connections]).toEqual([[], 0, 0]);
  });
});
