/** What the facade does where smtp-server does otherwise or cannot be compared, and real mail of nodemailer's client. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createTransport, type Transport, type TransportOptions } from 'nodemailer';
import { afterEach, describe, expect, test, vi } from 'vitest';
import facade, { SMTPServer, type SMTPServerOptions } from '../../host/smtp-server/index.ts';
import { TestClient } from '../../host/testing/index.ts';
import { makeSelfSigned } from '../../host/tls/self-signed.ts';

const servers: SMTPServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const connection of server.connections) connection.engine.destroy();
    await new Promise<void>((resolve) => server.close(resolve));
  }
});

async function start(options: SMTPServerOptions = {}): Promise<{ server: SMTPServer; port: number }> {
  const server = new SMTPServer({ name: 'mx.example', disableReverseLookup: true, ...options });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.server.address() as AddressInfo).port };
}

const OPEN: SMTPServerOptions = { disabledCommands: ['AUTH', 'STARTTLS'] };
const ENVELOPE = ['EHLO x', 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>'];

async function greeted(port: number, lines: readonly string[] = []): Promise<TestClient> {
  const client = new TestClient(connect(port, '127.0.0.1'));
  await client.reply();
  for (const line of lines) await client.say(line);
  return client;
}

const pairOf = (name: string) => {
  const { certificate, key } = makeSelfSigned({
    names: [name],
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
  });
  return { cert: certificate, key };
};

describe('mail of nodemailer', () => {
  const MAIL = {
    from: 'Sender <a@b.example>',
    to: ['c@d.example', 'e@f.example'],
    subject: 'A message',
    text: '.dots\n..at the beginning\n',
    attachments: [{ filename: 'octets', content: Buffer.alloc(200_000, 7) }],
  };
  const send = (options: object): Promise<unknown> =>
    createTransport({
      host: '127.0.0.1',
      tls: { rejectUnauthorized: false },
      ...options,
    } as TransportOptions as Transport).sendMail(MAIL);

  test.each([
    ['in the clear', OPEN, {}],
    ['by STARTTLS', { authOptional: true }, { requireTLS: true }],
    ['inside TLS', { secure: true, authOptional: true }, { secure: true }],
    ...['PLAIN', 'LOGIN', 'CRAM-MD5'].map(
      (method) =>
        [
          `after AUTH ${method}`,
          { authMethods: [method] },
          { auth: { user: 'u', pass: 'p' }, authMethod: method },
        ] as const,
    ),
    [
      'after AUTH XOAUTH2',
      { authMethods: ['XOAUTH2'] },
      { auth: { type: 'OAuth2', user: 'u', accessToken: 'p' } },
    ],
    ['by LMTP', { ...OPEN, lmtp: true }, { lmtp: true }],
  ] as const)('%s', async (_, options, client) => {
    const seen: unknown[] = [];
    const { port } = await start({
      ...(options as SMTPServerOptions),
      onAuth(auth, _session, callback) {
        const isRight =
          auth.method === 'CRAM-MD5'
            ? auth.validatePassword('p')
            : (auth.password ?? auth.accessToken) === 'p';
        callback(isRight ? null : new Error('wrong'), { user: auth.username });
      },
      onData(stream, session, callback) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          seen.push([mailFrom && mailFrom.address, rcptTo.map(({ address }) => address)]);
          expect(Buffer.concat(chunks).toString()).toMatch(/\r\n\.dots\r\n\.\.at the beginning\r\n/);
          expect(Buffer.concat(chunks)).toHaveLength(stream.byteLength);
          callback(null, 'kept');
        });
      },
    });
    await expect(send({ ...client, port })).resolves.toMatchObject({ response: '250 kept' });
    expect(seen).toEqual([['a@b.example', ['c@d.example', 'e@f.example']]]);
  });
});

describe('certificates', () => {
  const nameFor = async (port: number, options: ConnectionOptions): Promise<string> => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };

  test('go by the name the client asks for, and can be changed', async () => {
    const { server, port } = await start({
      secure: true,
      ...pairOf('default.example'),
      sniOptions: { 'One.example': pairOf('one.example'), 'xn--bcher-kva.example': pairOf('book.example') },
    });
    expect(await nameFor(port, { servername: 'one.example' })).toBe('one.example');
    expect(await nameFor(port, { servername: 'xn--bcher-kva.example' })).toBe('book.example');
    expect(await nameFor(port, { servername: 'other.example' })).toBe('default.example');
    expect([...server.secureContext.keys()]).toEqual(['*', 'one.example', 'bücher.example']);
    server.updateSecureContext({ ...pairOf('new.example') });
    expect(await nameFor(port, {})).toBe('new.example');
  });

  test('go by SNICallback, which may answer later, or fail', async () => {
    const { createSecureContext } = await import('node:tls');
    const logged: string[] = [];
    const { port } = await start({
      secure: true,
      ...pairOf('default.example'),
      logger: {
        info: () => undefined,
        error: ({ tnx, servername }) => void logged.push(`${String(tnx)} ${String(servername)}`),
      },
      sniOptions: new Map([['x.example', pairOf('never.example')]]),
      SNICallback: (name, callback) =>
        void setImmediate(() =>
          name === 'x.example'
            ? callback(null, createSecureContext(pairOf('called.example')))
            : callback(new Error('unknown')),
        ),
    });
    expect(await nameFor(port, { servername: 'x.example' })).toBe('called.example');
    expect(await nameFor(port, { servername: 'y.example' })).toBe('default.example');
    expect(logged).toEqual(['sni y.example']);
  });

  test('of their own for those who name none: nobody knows their key', async () => {
    const { port } = await start({ secure: true });
    expect(await nameFor(port, {})).toBe('localhost');
  });

  test.each([
    ['without one', {}, false],
    ['with one that nobody vouches for', pairOf('stranger.example'), false],
    ['with the right one', undefined, true],
  ])('of clients are asked for: a client %s', async (_, given, isRight) => {
    const own = pairOf('client.example');
    const secured: boolean[] = [];
    const errors: string[] = [];
    for (const rejectUnauthorized of [false, true]) {
      const { server, port } = await start({
        secure: true,
        authOptional: true,
        ca: own.cert,
        requestCert: true,
        rejectUnauthorized,
        onSecure(socket, _session, callback) {
          secured.push((socket as TLSSocket).authorized);
          callback();
        },
      });
      server.on('error', ({ message }) => void errors.push(message));
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...(given ?? own) });
      const reply = await new TestClient(socket).reply();
      expect(reply.slice(0, 3)).toBe(isRight || !rejectUnauthorized ? '220' : '');
      socket.destroy();
    }
    expect(secured).toEqual(isRight ? [true, true] : [false]);
    expect(errors).toHaveLength(isRight ? 0 : 1);
  });

  test('needsUpgrade: the handshake is the first step of a session', async () => {
    const { server, port } = await start({ secure: true, needsUpgrade: true, authOptional: true });
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const client = new TestClient(socket);
    expect(await client.reply()).toMatch(/^220/);
    expect(await client.say('EHLO x')).not.toContain('STARTTLS');
    expect([...server.connections].map(({ session }) => session.secure)).toEqual([true]);
    socket.destroy();
  });

  test('a handshake that fails is an event, and nothing without a listener', async () => {
    const { server, port } = await start({ secure: true });
    const errors: Error[] = [];
    const fail = async (): Promise<void> => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write('this is no handshake, and long enough to be seen as none\r\n');
      socket.resume();
      await once(socket, 'close');
    };
    await fail();
    server.on('error', (error) => void errors.push(error));
    await fail();
    await vi.waitFor(() => expect(errors).toHaveLength(1), { timeout: 60_000 });
    expect(errors[0]).toMatchObject({
      meta: { protocol: 'smtp', stage: 'connect', remoteAddress: '127.0.0.1' },
    });
  });
});

function fail(): never {
  throw new Error('a fault of the program');
}

describe('the program', () => {
  test('that never reads keeps no more than the buffer of the stream, until the time is up', async () => {
    let held = 0;
    const { port } = await start({
      ...OPEN,
      socketTimeout: 300,
      onData: (stream) => {
        const look = setInterval(() => {
          held = Math.max(held, stream.readableLength + stream.writableLength);
          if (stream.destroyed) clearInterval(look);
        }, 5);
        look.unref();
      },
    });
    const client = await greeted(port, [...ENVELOPE, 'DATA']);
    for (let sent = 0; sent < 64; sent++) client.send('x'.repeat(65_536));
    expect(await client.reply()).toBe('421 Timeout - closing connection');
    expect(held).toBeLessThan(300_000);
  });

  test('that never answers keeps nothing of a client that is gone', async () => {
    const { server, port } = await start({ ...OPEN, socketTimeout: 200, onMailFrom: () => undefined });
    const budgets = new Set<{ readonly used: number }>();
    for (let turn = 0; turn < 3; turn++) {
      const client = await greeted(port, ['EHLO x']);
      for (const { engine } of server.connections) budgets.add(engine.host.memory);
      client.send('MAIL FROM:<a@b>\r\n');
      client.destroy();
    }
    const [budget] = budgets;
    expect(budgets.size).toBe(1);
    await vi.waitFor(() => expect(budget!.used).toBe(0), { timeout: 60_000 });
  });

  test('without a limit of recipients has the memory for one', async () => {
    const { server, port } = await start(OPEN);
    const client = await greeted(port, ['EHLO x', 'MAIL FROM:<a@b>', 'RCPT TO:<0@b>']);
    const [connection] = server.connections;
    const { memory } = connection!.engine.host;
    memory.limit = memory.used + 10_000;
    const replies: string[] = [];
    for (let at = 1; at < 100 && !replies.at(-1)?.startsWith('452'); at++)
      replies.push(await client.say(`RCPT TO:<${at}@b>`));
    expect(replies.at(-1)).toBe('452 Error: too little memory, try again later');
    expect(await client.say('RSET')).toBe('250 Flushed');
    memory.limit = Number.POSITIVE_INFINITY;
  });

  test('that answers twice is heard once', async () => {
    const { port } = await start({
      ...OPEN,
      onMailFrom: (_, __, callback) => {
        callback();
        callback(new Error('x'));
      },
    });
    const client = await greeted(port, ['EHLO x']);
    expect(await client.say('MAIL FROM:<a@b>')).toBe('250 Accepted');
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('whose promise is rejected has refused', async () => {
    const { port } = await start({
      ...OPEN,
      onRcptTo: async () => Promise.reject(Object.assign(new Error('gone'), { responseCode: 451 })),
      onMailFrom: (_, __, callback) => callback(),
    } as SMTPServerOptions);
    const client = await greeted(port, ['EHLO x', 'MAIL FROM:<a@b>']);
    expect(await client.say('RCPT TO:<a@b>')).toBe('451 gone');
  });

  test.each<[string, SMTPServerOptions, (server: SMTPServer) => void]>([
    ['in onConnect', { onConnect: () => fail() }, () => undefined],
    ['in a listener of connect', {}, (server) => server.on('connect', () => fail())],
  ])('that has a fault %s has it in its log, and its client comes again', async (_, more, prepare) => {
    const logged: string[] = [];
    const logger = { info: () => undefined, debug: () => undefined };
    const { server, port } = await start({
      ...OPEN,
      ...more,
      logger: { ...logger, error: (_entry, _text, ...args) => void logged.push(args.join()) },
    });
    prepare(server);
    const client = new TestClient(connect(port, '127.0.0.1'));
    expect(await client.reply()).toMatch(/^451 /);
    expect(await client.reply()).toBe('');
    expect(logged.join()).toContain('a fault of the program');
  });

  test('whose logger throws serves its clients all the same', async () => {
    const { port } = await start({ ...OPEN, logger: { info: fail, debug: fail, error: fail } });
    const client = await greeted(port, ENVELOPE);
    expect(await client.say('NOOP')).toBe('250 OK');
  });

  test('that destroys the stream is answered for, and the client goes on', async () => {
    const { port } = await start({
      ...OPEN,
      onData: (stream, _, callback) =>
        void stream.on('data', () => {
          stream.destroy();
          callback(Object.assign(new Error('enough'), { responseCode: 554 }));
        }),
    });
    const client = await greeted(port, [...ENVELOPE, 'DATA']);
    expect(await client.say(`${'x'.repeat(200_000)}\r\n.`)).toBe('554 enough');
    expect(await client.say('QUIT')).toBe('221 Bye');
  });

  test('may have subclasses, and handlers of options come before their methods', async () => {
    class Mine extends SMTPServer {
      override onMailFrom(...[, , callback]: Parameters<SMTPServer['onMailFrom']>): void {
        callback(new Error('mine'));
      }
      override onConnect(...[, callback]: Parameters<SMTPServer['onConnect']>): void {
        callback(new Error('never called'));
      }
    }
    const server = new Mine({ ...OPEN, onConnect: (_, callback) => callback() });
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = await greeted((server.server.address() as AddressInfo).port, ['EHLO x']);
    expect(await client.say('MAIL FROM:<a@b>')).toBe('550 mine');
  });

  test('finds the class in the default export, too', () => {
    expect(facade.SMTPServer).toBe(SMTPServer);
  });
});

test('octets of any kind, cut anywhere, end no more than their connection', async () => {
  const { server, port } = await start({ ...OPEN, maxAllowedUnauthenticatedCommands: false });
  const words = [
    'EHLO x',
    'MAIL FROM:<a@b>',
    'RCPT TO:<a@b>',
    'DATA',
    '.',
    '\r',
    '\n',
    '\0',
    'AUTH PLAIN',
    'é',
    'RSET',
  ];
  // A generator of its own: what fails can be run again.
  let seed = 20_261_130;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const talk = async (): Promise<void> => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'data');
    socket.resume();
    const octets = Buffer.concat(
      Array.from({ length: 60 }, () =>
        random(3) === 0
          ? Buffer.from(Array.from({ length: random(40) }, () => random(256)))
          : Buffer.from(`${words[random(words.length)]}\r\n`),
      ),
    );
    for (let at = 0; at < octets.length && !socket.destroyed;) {
      const size = 1 + random(90);
      socket.write(octets.subarray(at, at + size));
      at += size;
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    if (!socket.closed) await once(socket, 'close');
  };
  await Promise.all(Array.from({ length: 40 }, talk));
  await vi.waitFor(() => expect(server.connections.size).toBe(0), { timeout: 60_000 });
  const client = await greeted(port, ENVELOPE);
  expect(await client.say('NOOP')).toBe('250 OK');
});

describe('the server', () => {
  test('listens on a Unix socket, whose clients have no address', async () => {
    const root = mkdtempSync(join(tmpdir(), 'facade-'));
    const path = join(root, 'smtp.sock');
    const addresses: string[] = [];
    const server = new SMTPServer({
      ...OPEN,
      onConnect: ({ remoteAddress }, callback) => callback(addresses.push(remoteAddress) ? null : null),
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const client = new TestClient(connect({ path }));
    expect(await client.reply()).toMatch(/^220/);
    expect(addresses).toEqual(['']);
    client.destroy();
    rmSync(root, { recursive: true });
  });

  test('serves sockets that the program has accepted itself', async () => {
    const server = new SMTPServer({ ...OPEN, name: 'handed.example' });
    const netServer = createNetServer((socket: Socket) => server.connect(socket)).listen(0, '127.0.0.1');
    await once(netServer, 'listening');
    const client = await greeted((netServer.address() as AddressInfo).port);
    expect(await client.say('EHLO x')).toContain('handed.example');
    client.destroy();
    netServer.close();
    server.close();
  });

  test('may listen again after its end', async () => {
    const { server } = await start(OPEN);
    await new Promise<void>((resolve) => server.close(resolve));
    server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    const client = await greeted((server.server.address() as AddressInfo).port);
    expect(await client.say('NOOP')).toBe('250 OK');
    client.destroy();
  });

  test('tells what is wrong with its address by an event', async () => {
    const { port } = await start(OPEN);
    const server = new SMTPServer(OPEN);
    const error = once(server, 'error');
    server.listen(port, '127.0.0.1');
    expect((await error)[0]).toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });

  test('turns clients away above maxClients', async () => {
    const { port } = await start({ ...OPEN, maxClients: 1 });
    const first = await greeted(port);
    const second = new TestClient(connect(port, '127.0.0.1'));
    expect(await second.reply()).toBe('421 mx.example Too many connected clients, try again in a moment');
    expect(await first.say('NOOP')).toBe('250 OK');
  });

  test('takes PROXY headers of version 2', async () => {
    const { server, port } = await start({ ...OPEN, useProxy: true });
    const header = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000209c63364018ca00019', 'hex');
    const socket = connect(port, '127.0.0.1');
    socket.write(header);
    const client = new TestClient(socket);
    expect(await client.reply()).toMatch(/^220/);
    expect([...server.connections].map(({ remoteAddress }) => remoteAddress)).toEqual(['192.0.2.9']);
  });

  test('names clients by the DNS; the lookup may fail', async () => {
    const logged: string[] = [];
    const { port } = await start({
      ...OPEN,
      disableReverseLookup: false,
      logger: { info: () => undefined, debug: () => undefined, error: (_, text) => void logged.push(text) },
      resolver: { reverse: () => undefined },
    });
    expect(await (await greeted(port)).say('EHLO x')).toContain('you, [127.0.0.1]');
    expect(logged).toEqual(['Reverse resolve for %s: %s']);
  });

  test('logs to the console if it is told to', async () => {
    const written: string[] = [];
    const write = vi
      .spyOn(process.stdout, 'write')
      .mockImplementation((text) => written.push(String(text)) > 0);
    const { port } = await start({ ...OPEN, logger: true });
    await (await greeted(port)).say('QUIT');
    write.mockRestore();
    expect(written.join('')).toMatch(/^\[[\d-]+ [\d:]+\] INFO  SMTP Server listening on 127\.0\.0\.1:\d+\n/);
    expect(written.join('')).toMatch(/\] DEBUG \[#[0-9a-v]{16}\] S: 221 Bye\n/);
  });

  test.each(['AUTH\tPLAIN\tAHUAc2VjcmV0', ' AUTH PLAIN AHUAc2VjcmV0', 'auth plain AHUAc2VjcmV0'])(
    'does not log what %j holds',
    async (line) => {
      const logged: string[] = [];
      const write = (entry: object, ...rest: unknown[]): void =>
        void logged.push(JSON.stringify([entry, rest]));
      const { port } = await start({ logger: { info: write, debug: write, error: write } });
      const client = await greeted(port, ['EHLO x', line]);
      expect(await client.say('QUIT')).toBe('221 Bye');
      expect(logged.join()).toContain('secured');
      expect(logged.join()).not.toContain('AHUAc2VjcmV0');
    },
  );

  test('a level that the logger lacks goes to one that it has', async () => {
    const lines: string[] = [];
    const { port } = await start({ ...OPEN, logger: { warn: (_, text) => void lines.push(text) } });
    await (await greeted(port)).say('QUIT');
    expect(lines).toContain('C:');
  });
});
