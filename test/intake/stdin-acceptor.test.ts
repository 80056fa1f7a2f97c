/** The client on descriptor 0: who it is, and when there is none. Real sockets and pipes, under other numbers. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IncomingConnection } from '../../host/intake/incoming-connection.ts';
import { parseListen, type StdinSpec } from '../../host/intake/listen-spec.ts';
import { StdinAcceptor } from '../../host/intake/stdin-acceptor.ts';

let folder: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-stdin-'));
});
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
  rmSync(folder, { recursive: true, force: true });
});

type Environment = Record<string, string>;

const acceptorOn = (
  input: number,
  environment: Environment = {},
  options = '',
  output = input,
): StdinAcceptor =>
  new StdinAcceptor(parseListen(`stdin: ${options}`) as StdinSpec, {
    environment,
    input,
    output,
  });

interface Taken {
  readonly intake: IncomingConnection | undefined;
  readonly notes: readonly string[];
  /** Resolves when the client is gone. */
  readonly ended: Promise<void>;
}

async function take(acceptor: StdinAcceptor): Promise<Taken> {
  const notes: string[] = [];
  let intake: IncomingConnection | undefined;
  expect(await acceptor.bind()).toMatch(/^stdin:/);
  const ended = new Promise<void>((resolve) =>
    acceptor.open((each) => (intake = each), {
      note: (text) => void notes.push(text),
      refused: () => undefined,
      lost: () => undefined,
      ended: resolve,
    }),
  );
  ends.push(() => intake?.stream.destroy());
  return { intake, notes, ended };
}

const descriptorOf = (owner: Socket): number =>
  (owner as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;

async function listening(where: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer({ pauseOnConnect: true });
  ends.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(where, resolve));
  return server;
}

/** A connection, and the descriptor of its accepted end, as a process that is started gets one. */
async function connection(where: { port: number; host: string } | { path: string }): Promise<{
  readonly client: Socket;
  /** Where the server listens. */
  readonly port: number;
  readonly fd: number;
}> {
  const server = await listening(where);
  const { port } = (server.address() as AddressInfo | null) ?? { port: 0 };
  const client = 'path' in where ? connect(where.path) : connect({ port, host: where.host });
  client.on('error', () => undefined);
  ends.push(() => client.destroy());
  const [accepted] = (await once(server, 'connection')) as [Socket];
  // Never read from and never closed: the descriptor is the acceptor's now.
  accepted.unref();
  return { client, port, fd: descriptorOf(accepted) };
}

const overTcp = (): ReturnType<typeof connection> => connection({ port: 0, host: '127.0.0.1' });
const overUnix = (): ReturnType<typeof connection> => connection({ path: join(folder, 'socket') });

describe('a socket of TCP', () => {
  test('says itself who the client is, with what its listener was told', async () => {
    const { client, port, fd } = await overTcp();
    const { intake } = await take(acceptorOn(fd, {}, 'tls=implicit service=a'));
    expect(intake).toMatchObject({
      hops: ['stdin'],
      peer: { address: '127.0.0.1', port: client.localPort },
      remote: { address: '127.0.0.1', port: client.localPort },
      local: { address: '127.0.0.1', port },
      listener: { startsWithTls: true, service: 'a' },
    });
    expect(intake).not.toHaveProperty('host');
  });

  test('takes over the names that tcpserver has looked up, if they are of its client', async () => {
    const { fd } = await overTcp();
    const names = { TCPREMOTEIP: '127.0.0.1', TCPREMOTEHOST: 'c.example', TCPREMOTEINFO: 'joe' };
    const { intake, notes } = await take(acceptorOn(fd, names));
    expect([intake?.host, intake?.info, notes]).toEqual(['c.example', 'joe', []]);
  });

  test('believes no variables of another client, says so, and leaves them to no program', async () => {
    const { fd } = await overTcp();
    const left = { TCPREMOTEIP: '192.0.2.1', TCPREMOTEHOST: 'friend.example', RELAYCLIENT: '' };
    const { intake, notes } = await take(acceptorOn(fd, left));
    expect([intake?.remote.address, intake?.host]).toEqual(['127.0.0.1', undefined]);
    expect(notes).toEqual([
      expect.stringContaining('TCPREMOTEIP says 192.0.2.1, but the client is 127.0.0.1'),
    ]);
    expect(left).toEqual({ RELAYCLIENT: '' });
  });

  test.each([
    ['TCPREMOTEHOST', 'c.example\r\nX-Forged: yes'],
    ['TCPREMOTEHOST', 'a b'],
    ['TCPREMOTEHOST', 'x'.repeat(256)],
    ['TCPREMOTEINFO', 'joe\u001b[2J'],
    ['TCPREMOTEINFO', 'joe doe'],
  ])('leaves out a %s that is no name: it would reach Received and the log', async (name, value) => {
    const { fd } = await overTcp();
    const { intake } = await take(acceptorOn(fd, { TCPREMOTEIP: '127.0.0.1', [name]: value }));
    expect([intake?.host, intake?.info]).toEqual([undefined, undefined]);
  });

  test('the client leaves: the process is told, once', async () => {
    const { client, fd } = await overTcp();
    const { intake, ended } = await take(acceptorOn(fd));
    client.resetAndDestroy();
    intake!.stream.resume();
    await ended;
  });
});

describe('a Unix socket', () => {
  test('is of this host where nobody says who the client is', async () => {
    const { fd } = await overUnix();
    const { intake } = await take(acceptorOn(fd));
    expect(intake?.remote).toEqual({ address: '127.0.0.1', port: 0, path: 'stdin:' });
  });

  test('has the client that the variables name, and its starter as the peer, which trust goes by', async () => {
    const { fd } = await overUnix();
    const told = {
      TCPREMOTEIP: '2001:db8::7',
      TCPREMOTEPORT: '4000',
      TCPLOCALIP: '2001:db8::1',
      TCPLOCALPORT: '25',
    };
    const { intake } = await take(acceptorOn(fd, told));
    expect(intake).toMatchObject({
      peer: { address: '127.0.0.1', path: 'stdin:' },
      remote: { address: '2001:db8::7', port: 4000 },
      local: { address: '2001:db8::1', port: 25 },
    });
  });
});

describe('there is no client', () => {
  test('in a file', () => {
    const fd = openSync('/dev/null', 'r');
    ends.push(() => closeSync(fd));
    expect(() => acceptorOn(fd).bind()).toThrow('it is neither a socket nor a pipe');
  });

  test('at a pipe of which no variable says whose it is', () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, 'r+');
    ends.push(() => closeSync(fd));
    expect(() => acceptorOn(fd, { TCPREMOTEIP: 'nonsense' }).bind()).toThrow(
      'it is a pipe, and TCPREMOTEIP does not say',
    );
  });
});
