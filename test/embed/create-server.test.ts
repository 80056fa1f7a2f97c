/** A server inside another program: the ways to hand it clients and messages, and how it ends. */

import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { createServer, withOptions, type EmbeddedServerOptions } from '../../host/index.ts';
import type { EmbeddedServer, ReceivedMail } from '../../host/index.ts';
import { memoryPair, TestClient } from '../../host/testing/index.ts';
import { makeSelfSigned } from '../../host/tls/self-signed.ts';
import { definePlugin, deny, denySoft, z } from '../../bindings/plugin/index.ts';

const open: EmbeddedServer[] = [];
afterEach(() => Promise.all(open.splice(0).map((server) => server.close({ graceMs: 0 }))));

async function start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const server = await createServer({ config: { me: 'mx.test' }, ...options });
  open.push(server);
  return server;
}

const freshPair = () =>
  makeSelfSigned({
    names: ['mx.test'],
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
  });

const portOf = (address: string): number => Number(/:(\d+)(?: |$)/.exec(address)![1]);

/** Sends a message from banner to the reply after its end, and returns all replies. */
async function send(stream: Duplex, recipients: readonly string[] = ['a@b.example']): Promise<string[]> {
  const client = new TestClient(stream);
  const replies = [await client.reply()];
  const envelope = recipients.map((recipient) => `RCPT TO:<${recipient}>`);
  for (const line of ['EHLO client.example', 'MAIL FROM:<x@y.example>', ...envelope, 'DATA'])
    replies.push(await client.say(line));
  replies.push(await client.say('Subject: hello\r\n\r\nbody\r\n..dot\r\n.'));
  replies.push(await client.say('QUIT'));
  stream.destroy();
  return replies;
}

const codesOf = (replies: readonly string[]): string => replies.map((reply) => reply.slice(0, 3)).join(' ');

const TAKEN = '220 250 250 250 354 250 221';

describe('faults of the program', () => {
  const throwing = (): never => {
    throw new Error('a fault of the program');
  };
  const rejecting = (): Promise<never> => Promise.reject(new Error('a fault of the program'));

  test.each<[string, NonNullable<EmbeddedServerOptions['log']>]>([
    ['that throws', throwing],
    ['that rejects', rejecting as () => void],
    ['of a sink that throws', { upTo: 7, write: throwing }],
  ])('a log %s costs no message and is told once', async (_, log) => {
    const warnings: string[] = [];
    const note = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', note);
    try {
      const server = await start({ onMessage: () => undefined, log });
      expect(codesOf(await send(server.connect()))).toBe(TAKEN);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', note);
    }
    expect(warnings).toEqual(['the log of the program failed: Error: a fault of the program']);
  });

  test('a choice of certificates that throws counts as none', async () => {
    const { certificate: cert, key } = freshPair();
    const server = await start({
      listen: 'tcp://127.0.0.1:0 tls=implicit',
      tls: { cert, key, contextFor: throwing },
    });
    const socket = connectTls({
      port: portOf(server.address()[0]!),
      host: '127.0.0.1',
      servername: 'mx.test',
      ca: cert,
    });
    expect(await new TestClient(socket).reply()).toMatch(/^220 /);
    socket.destroy();
  });
});

describe('messages', () => {
  test('go to the program with envelope, client and content', async () => {
    const mails: [ReceivedMail, string][] = [];
    const server = await start({
      onMessage: async (mail) => void mails.push([mail, (await mail.content()).toString()]),
    });
    const stream = server.connect({ address: '192.0.2.7', port: 4711 });
    expect(codesOf(await send(stream, ['a@b.example', 'c@d.example']))).toBe(
      '220 250 250 250 250 354 250 221',
    );
    const [[mail, content]] = mails as [[ReceivedMail, string]];
    expect(mail.reversePath.mailbox).toBe('x@y.example');
    expect(mail.recipients.map(({ address }) => address.mailbox)).toEqual(['a@b.example', 'c@d.example']);
    expect(mail.connection.remoteIp).toBe('192.0.2.7');
    expect(mail.client?.helloHost).toBe('client.example');
    expect(content).toMatch(
      /^Authentication-Results: [^]*\r\nReceived: from [^]*by mx\.test[^]*\r\nSubject: hello\r\n\r\nbody\r\n\.dot\r\n$/,
    );
  });

  test('can be read as a stream, twice', async () => {
    const sizes: number[] = [];
    const server = await start({
      async onMessage(mail) {
        for (let time = 0; time < 2; time++) {
          let octets = 0;
          for await (const chunk of mail.stream('lf')) octets += (chunk as Buffer).length;
          sizes.push(octets);
        }
      },
    });
    await send(server.connect());
    expect(sizes[0]).toBeGreaterThan(100);
    expect(sizes[1]).toBe(sizes[0]);
  });

  test.each([
    ['nothing', () => undefined, /^250 Queued/],
    ['a text', () => 'kept as 42', /^250 kept as 42/],
    ['a refusal', () => deny('no cats here'), /^552 no cats here/],
    ['a thrown deferral', () => Promise.reject(denySoft('tomorrow') as unknown as Error), /^452 tomorrow/],
    ['an error', () => Promise.reject(new Error('disk of glass')), /^452 the message could not be taken/],
  ])('the callback answers with %s', async (_, onMessage, reply) => {
    const logged: string[] = [];
    const server = await start({ onMessage, log: ({ text }) => void logged.push(text) });
    const replies = await send(server.connect());
    expect(replies.at(-2)).toMatch(reply);
    expect(logged.some((line) => line.includes('disk of glass'))).toBe(reply.source.includes('could not'));
  });

  test('that outgrow the threshold are kept in the spool directory, which is made only then', async () => {
    const root = mkdtempSync(join(tmpdir(), 'embed-'));
    const config = { me: 'mx.test', size_threshold: 100, spool_dir: join(root, 'spool') };
    const there: boolean[] = [];
    const isThere = (): boolean => readdirSync(root).includes('spool');
    const server = await start({
      config,
      onMessage: async (mail) => void there.push(isThere() && (await mail.content()).includes('body')),
    });
    expect(isThere()).toBe(false);
    const client = new TestClient(server.connect());
    await client.reply();
    for (const line of ['EHLO c', 'MAIL FROM:<>', 'RCPT TO:<a@b>', 'DATA']) await client.say(line);
    expect(await client.say(`Subject: ${'x'.repeat(200)}\r\n\r\nbody\r\n.`)).toMatch(/^250/);
    expect(there).toEqual([true]);
    rmSync(root, { recursive: true });
  });

  test('that cannot be kept are deferred', async () => {
    const config = { me: 'mx.test', size_threshold: 10, spool_dir: '/proc/self/none' };
    const server = await start({ config, onMessage: () => undefined });
    const replies = await send(server.connect());
    expect(codesOf(replies)).toBe('220 250 250 250 354 452 221');
  });
});

describe('recipients', () => {
  test.each([
    ['listed by address', ['A@b.example'], '250'],
    ['listed by domain', ['@b.example'], '250'],
    ['not listed', ['other@b.example'], '550'],
    ['as a function says', (address: { domain: string }) => address.domain === 'b.example', '250'],
    ['as a function refuses', () => denySoft('later'), '450'],
  ])('%s', async (_, recipients, code) => {
    const server = await start({ recipients, onMessage: () => undefined });
    expect(codesOf(await send(server.connect())).split(' ')[3]).toBe(code);
  });

  test('are for the plugins to accept where there are any', async () => {
    const silent = definePlugin({ name: 'silent', about: 'Says nothing.', hooks: {} });
    const server = await start({ plugins: [silent], onMessage: () => undefined });
    expect((await send(server.connect()))[3]).toMatch(/^450 No plugin decided/);
  });
});

describe('plugins', () => {
  const greeter = definePlugin({
    name: 'greeter',
    about: 'Refuses a recipient with a text.',
    options: z.object({ text: z.string(), also: z.array(z.string()).default([]) }),
    hooks: ({ options }) => ({
      rcpt: (_, { localPart }) =>
        localPart === options.text ? deny([options.text, ...options.also].join('|')) : undefined,
    }),
  });

  test('take options as values, blanks and all; the same one may stand there twice', async () => {
    const server = await start({
      plugins: [
        withOptions(greeter, { text: 'a', also: ['one two', 'three'] }),
        withOptions(greeter, { text: 'c', loglevel: '7' }),
      ],
      onMessage: () => undefined,
    });
    const replies = await send(server.connect(), ['a@b', 'c@d', 'e@f']);
    expect(replies.slice(3, 6)).toEqual(['550 a|one two|three', '550 c', expect.stringMatching(/^450/)]);
  });

  test('of the server are loaded by their lines', async () => {
    const server = await start({
      plugins: ['badrcptto', 'rcpt_ok'],
      config: { me: 'mx.test', rcpthosts: ['b.example'], badrcptto: 'a@b.example\n' },
      onMessage: () => undefined,
    });
    expect(codesOf(await send(server.connect(), ['a@b.example', 'z@b.example']))).toBe(
      '220 250 250 550 250 354 250 221',
    );
  });

  test('with wrong options keep the server from starting, and say why', async () => {
    expect(() => withOptions(greeter, { text: 'a', txet: 'b' } as never)).toThrow(/unknown option `txet`/);
    await expect(start({ plugins: [withOptions(greeter, { text: 7 } as never)] })).rejects.toThrow(
      /greeter: text/,
    );
    await expect(start({ plugins: ['no-such-plugin'] })).rejects.toThrow(/not found/);
    await expect(start({ config: { databytes: 'many' } })).rejects.toThrow(/databytes/);
  });
});

describe('clients', () => {
  test('come by listeners', async () => {
    const server = await start({ listen: 'tcp://127.0.0.1:0', onMessage: () => undefined });
    expect(server.address()).toHaveLength(1);
    const stream = connect(portOf(server.address()[0]!), '127.0.0.1');
    expect(codesOf(await send(stream))).toBe(TAKEN);
  });

  test('come by a Unix socket with a PROXY header', async () => {
    const root = mkdtempSync(join(tmpdir(), 'embed-'));
    const path = join(root, 'smtp.sock');
    const clients: string[] = [];
    const server = await start({
      listen: [`unix:${path} proxy=required`],
      onMessage: ({ connection }) => void clients.push(connection.remoteIp),
    });
    const stream = connect({ path });
    stream.write('PROXY TCP4 192.0.2.9 192.0.2.1 5000 25\r\n');
    expect(codesOf(await send(stream))).toBe(TAKEN);
    expect(clients).toEqual(['192.0.2.9']);
    await server.close();
    rmSync(root, { recursive: true });
  });

  test('come by a net.Server of the program, which stays open', async () => {
    const netServer = createNetServer();
    netServer.listen(0, '127.0.0.1');
    await once(netServer, 'listening');
    const { port } = netServer.address() as AddressInfo;
    const clients: string[] = [];
    const server = await start({ onMessage: ({ connection }) => void clients.push(connection.remoteIp) });
    const detach = server.attach(netServer);
    const stream = connect(port, '127.0.0.1');
    expect(codesOf(await send(stream))).toBe(TAKEN);
    expect(clients).toEqual(['127.0.0.1']);
    detach();
    const own = once(netServer, 'connection');
    const other = connect(port, '127.0.0.1');
    const [socket] = (await own) as [Duplex];
    socket.end('hello\r\n');
    expect(String((await once(other, 'data'))[0])).toBe('hello\r\n');
    server.attach(netServer, 'proxy=required');
    const proxied = connect(port, '127.0.0.1');
    proxied.write('PROXY TCP4 192.0.2.10 192.0.2.1 5000 25\r\n');
    expect(codesOf(await send(proxied))).toBe(TAKEN);
    expect(clients.at(-1)).toBe('192.0.2.10');
    await server.close();
    expect(netServer.listening).toBe(true);
    netServer.close();
  });

  test('are handed over on any stream, with what is known of them', async () => {
    const clients: string[] = [];
    const server = await start({
      onMessage: ({ connection }) =>
        void clients.push(`${connection.remoteIp} ${connection.remoteHost} ${connection.tls?.version}`),
    });
    const [one, other] = memoryPair();
    const gone = server.accept(other, {
      remote: { address: '198.51.100.4', port: 99 },
      host: 'client.example',
      tls: { by: 'proxy', version: 'TLSv1.3', cipher: 'X', verified: false },
    });
    expect(server.connections).toBe(1);
    expect(codesOf(await send(one))).toBe(TAKEN);
    await gone;
    expect(clients).toEqual(['198.51.100.4 client.example TLSv1.3']);
    expect(server.connections).toBe(0);
  });

  test('begin TLS in the segment of their PROXY header', async () => {
    const pair = freshPair();
    const tls = { key: pair.key, cert: pair.certificate };
    const listen = 'tcp://127.0.0.1:0 tls=implicit proxy=required';
    const server = await start({ listen, tls, onMessage: ({ connection }) => connection.remoteIp });
    const [ours, theirs] = memoryPair();
    const inside = connectTls({ socket: ours, ca: pair.certificate, servername: 'mx.test' });
    const [hello] = (await once(theirs, 'data')) as [Buffer];
    const socket = connect(portOf(server.address()[0]!), '127.0.0.1');
    socket.write(Buffer.concat([Buffer.from('PROXY TCP4 192.0.2.8 192.0.2.1 5000 465\r\n'), hello]));
    socket.pipe(theirs).pipe(socket);
    expect((await send(inside)).at(-2)).toBe('250 192.0.2.8');
  });

  test.each(['PEM', 'a context'])('speak TLS with a key given as %s', async (kind) => {
    const pair = freshPair();
    const pem = { key: pair.key, cert: pair.certificate };
    const tls = kind === 'PEM' ? pem : createSecureContext(pem);
    const server = await start({
      listen: ['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0 tls=implicit'],
      tls,
      onMessage: ({ connection }) => connection.tls?.by ?? 'clear',
    });
    const [plain, secure] = server.address().map(portOf) as [number, number];
    const inside = connectTls({
      port: secure,
      host: '127.0.0.1',
      ca: pair.certificate,
      servername: 'mx.test',
    });
    expect((await send(inside)).at(-2)).toBe('250 self');
    const stream = connect(plain, '127.0.0.1');
    const client = new TestClient(stream);
    await client.reply();
    expect(await client.say('EHLO c')).toContain('STARTTLS');
    expect(await client.say('STARTTLS')).toMatch(/^220/);
    stream.removeAllListeners('data');
    const upgraded = connectTls({ socket: stream, ca: pair.certificate, servername: 'mx.test' });
    const again = new TestClient(upgraded);
    expect(await again.say('EHLO c')).not.toContain('STARTTLS');
    upgraded.destroy();
  });
});

describe('the end', () => {
  test('lets a transaction end, and takes no new client', async () => {
    const server = await start({ listen: 'tcp://127.0.0.1:0', onMessage: () => undefined });
    const client = new TestClient(server.connect());
    await client.reply();
    for (const line of ['EHLO c', 'MAIL FROM:<>', 'RCPT TO:<a@b>']) await client.say(line);
    const closed = server.close({ graceMs: 60_000 });
    expect(() => server.connect()).toThrow('the server is closed');
    await client.say('DATA');
    expect(await client.say('Subject: last\r\n\r\n.')).toMatch(/^250/);
    await closed;
    await server.closed;
  });

  test('comes at once with a signal, also to those that wait for a grace period', async () => {
    const controller = new AbortController();
    const server = await start({ signal: controller.signal, onMessage: () => undefined });
    const client = server.connect();
    await once(client, 'data');
    const gone = once(client, 'close');
    client.write('EHLO c\r\nMAIL FROM:<>\r\n');
    await once(client, 'data');
    const closing = server.close({ graceMs: 600_000 });
    void server.close({ graceMs: 0 });
    await closing;
    await gone;
    await expect(start({ signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });

  test('a signal closes the server', async () => {
    const controller = new AbortController();
    const server = await start({ signal: controller.signal });
    controller.abort();
    await server.closed;
    expect(() => server.connect()).toThrow('the server is closed');
  });

  test('comes with the block of `await using`', async () => {
    let kept: EmbeddedServer | undefined;
    {
      await using server = await createServer({ config: { me: 'mx.test' } });
      kept = server;
      expect(codesOf([await new TestClient(server.connect()).reply()])).toBe('220');
    }
    await kept.closed;
    expect(() => kept.connect()).toThrow('the server is closed');
  });
});

test('an address that cannot be had gives back what was bound before', async () => {
  const first = await start({ listen: 'tcp://127.0.0.1:0' });
  const taken = first.address()[0]!;
  await expect(start({ listen: ['tcp://127.0.0.1:0', taken] })).rejects.toThrow(/EADDRINUSE/);
});

test('several servers have nothing in common', async () => {
  const [one, two] = await Promise.all(
    ['one.test', 'two.test'].map((me) => start({ config: { me }, onMessage: () => me })),
  );
  expect((await send(one!.connect())).at(-2)).toBe('250 one.test');
  expect((await send(two!.connect())).at(-2)).toBe('250 two.test');
  await one!.close();
  expect((await send(two!.connect())).at(-2)).toBe('250 two.test');
});

test('the source of the module names no signal, no exit and no stream of the process', () => {
  const text = readFileSync('host/embed/embedded-server.ts', 'utf8');
  expect(text).not.toMatch(/process\.(on|once|exit|exitCode|stdout|stderr)/);
});
