/** `tls=by-proxy`: whose clients count as having come by TLS, and whose do not although they connect to the same listener. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { V2_SIGNATURE } from '../../bindings/wire/proxy-header.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen, printListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestClient } from '../../host/testing/index.ts';
import { makePair } from '../tls/secure-server.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 465\r\n';
const MESSAGE = 'Subject: x\r\n\r\nx\r\n.';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'qpsmtpd-by-proxy-'));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A header of version 2 whose SSL field says what `client` says: 1 for TLS, 0 for none. */
function header(client: number): Buffer {
  const facts = Buffer.from([client, 0, 0, 0, 1]);
  const block = Buffer.concat([
    Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0, 25]),
    Buffer.from([0x20, 0, facts.length]),
    facts,
  ]);
  return Buffer.concat([V2_SIGNATURE, Buffer.from([0x21, 0x11, 0, block.length]), block]);
}

/** A server with a certificate that asks for TLS before AUTH, and a client that has said `first` before the banner. */
async function start(
  spec: string,
  config: Record<string, readonly string[]> = {},
): Promise<(first?: string | Buffer) => TestClient> {
  const { certificate, key } = makePair('mx.test');
  const keeper = definePlugin({
    name: 'keeper',
    about: 'Judges passwords, takes every message, and shows its trace.',
    hooks: {
      'auth-plain': () => ok(),
      rcpt: () => ok(),
      queue: ({ transaction, connection: { tls } }) =>
        ok(`${JSON.stringify(tls)} ${transaction.message.header.get('Received')?.replace(/\s+/g, ' ')}`),
    },
  });
  const ssl = folder();
  writeFileSync(join(ssl, 'c.pem'), certificate);
  writeFileSync(join(ssl, 'k.pem'), key, { mode: 0o600 });
  const server = await Server.load({
    acceptors: [new SocketAcceptor(parseListen(spec))],
    directories: [],
    overlay: new Map([
      ['me', ['mx.test']],
      ['plugins', [`tls ${join(ssl, 'c.pem')} ${join(ssl, 'k.pem')} ${join(ssl, 'c.pem')}`, 'keeper']],
      ['tls_before_auth', ['1']],
      ['loglevel', ['2']],
      ...Object.entries(config),
    ]),
    definitions: [keeper],
    reverseLookup: noReverseLookup,
  });
  ends.push(() => server.drain(0));
  const [address = ''] = await server.listen();
  const port = Number(/^tcp:.*:(\d+)/.exec(address)?.[1]);
  const path = /^unix:(\S+)/.exec(address)?.[1];
  return (first) => {
    const socket = path === undefined ? connect({ port, host: '127.0.0.1' }) : connect({ path });
    ends.push(() => socket.destroy());
    const client = new TestClient(socket);
    if (first !== undefined) client.send(first);
    return client;
  };
}

/** What EHLO offers of TLS and AUTH. */
async function offers(client: TestClient, greeting = true): Promise<string> {
  if (greeting) expect(await client.reply()).toMatch(/^220/);
  const extensions = await client.say('EHLO client.example');
  return ['STARTTLS', 'AUTH'].filter((keyword) => extensions.includes(keyword)).join(' ');
}

async function queued(client: TestClient): Promise<string> {
  for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<b@mx.test>', 'DATA']) await client.say(line);
  return client.say(MESSAGE);
}

describe('a peer that is a proxy', () => {
  test('by its PROXY header: no STARTTLS, AUTH, and ESMTPS without a cipher that nobody knows', async () => {
    const connected = await start('tcp://127.0.0.1:0 tls=by-proxy proxy=required');
    const client = connected(V1);
    expect(await offers(client)).toBe('AUTH');
    expect(await client.say('STARTTLS')).toMatch(/^500/);
    const answer = await queued(client);
    expect(answer).toContain('{"by":"proxy","verified":false}');
    expect(answer).toMatch(/\(192\.0\.2\.7\) by mx\.test \(qpsmtpd\/\S+\) with ESMTPS \(encrypted\); /);
  });

  test('fields of version 2 win: those of the TLS there was, and that there was none', async () => {
    const connected = await start('tcp://127.0.0.1:0 tls=by-proxy proxy=required xclient=yes', {
      xclient_hosts: ['127.0.0.1'],
    });
    expect(await offers(connected(header(1)))).toBe('AUTH');
    const plain = connected(header(0));
    expect(await offers(plain)).toBe('STARTTLS');
    // Nor does XCLIENT make TLS of it.
    expect(await plain.say('XCLIENT ADDR=192.0.2.8')).toMatch(/^220/);
    expect(await offers(plain, false)).toBe('STARTTLS');
  });

  test('by XCLIENT, from then on', async () => {
    const connected = await start('tcp://127.0.0.1:0 tls=by-proxy', { xclient_hosts: ['127.0.0.1'] });
    const client = connected();
    expect(await offers(client)).toBe('STARTTLS');
    expect(await client.say('XCLIENT ADDR=192.0.2.7')).toMatch(/^220/);
    expect(await offers(client, false)).toBe('AUTH');
    expect(await queued(client)).toContain('with ESMTPS (encrypted)');
  });

  test('by the Unix socket, whose mode says who may connect', async () => {
    const connected = await start(`unix:${join(folder(), 's')} tls=by-proxy`);
    expect(await offers(connected())).toBe('AUTH');
  });
});

describe('a peer that is none would send its password in the clear', () => {
  test.each([
    ['no proxy at all', 'tcp://127.0.0.1:0 tls=by-proxy', {}],
    ['proxies elsewhere', 'tcp://127.0.0.1:0 tls=by-proxy proxy-from=10.0.0.1', {}],
    ['XCLIENT from elsewhere', 'tcp://127.0.0.1:0 tls=by-proxy', { xclient_hosts: ['10.0.0.1'] }],
  ])('%s: TLS is asked for before AUTH, and Received does not claim it', async (_, spec, config) => {
    const client = (await start(spec, config))();
    expect(await offers(client)).toBe('STARTTLS');
    await client.say('XCLIENT ADDR=127.0.0.1');
    expect(await offers(client, false)).toBe('STARTTLS');
    expect(await queued(client)).toMatch(/^250 undefined .* with ESMTP ; /);
  });

  test('on a Unix socket whose proxies are elsewhere', async () => {
    const connected = await start(`unix:${join(folder(), 's')} tls=by-proxy proxy-from=10.0.0.1`);
    expect(await offers(connected())).toBe('STARTTLS');
  });
});

test('nobody waits for a handshake, on port 465 as little as elsewhere', () => {
  expect(parseListen('tcp://127.0.0.1:465 tls=by-proxy')).toMatchObject({
    startsWithTls: false,
    isTlsByProxy: true,
  });
});

test.each(['tcp://127.0.0.1:465 tls=by-proxy proxy=required', 'unix:/run/q.sock tls=by-proxy'])(
  '%s is printed as it was read',
  (spec) => expect(printListen(parseListen(spec))).toBe(spec),
);

test('another way is refused with those there are', () => {
  expect(() => parseListen('tcp://127.0.0.1:25 tls=proxy')).toThrow(
    /"tls=proxy" is not understood \(tls=implicit, tls=starttls or tls=by-proxy\)/,
  );
});
