/** What an acceptor says of a connection's ends. */

import { connect, Server, type AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { IncomingConnection } from '../../host/intake/incoming-connection.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';

const open: (() => void)[] = [];
afterEach(() => open.splice(0).forEach((close) => close()));

/** Listens on a free port of `listenOn`; resolves with the intake of a client that connects to `address`. */
async function intakeOf(
  listenOn: string,
  address: string,
): Promise<IncomingConnection & { readonly clientPort: number }> {
  const acceptor = new SocketAcceptor(parseListen(`tcp://${listenOn}:0`));
  open.push(() => void acceptor.close());
  const port = Number((await acceptor.bind()).split(':').at(-1));
  const client = connect({ port, host: address });
  open.push(() => client.destroy());
  const connected = new Promise<number>((resolve) =>
    client.once('connect', () => resolve((client.address() as AddressInfo).port)),
  );
  const intake = await new Promise<IncomingConnection>((resolve) => acceptor.open(resolve));
  open.push(() => intake.stream.destroy());
  expect(intake.local.port).toBe(port);
  return { ...intake, clientPort: await connected };
}

/** A listener on a free port, the server inside it, and what it tells. */
async function watched(): Promise<{ port: number; server: Server; told: string[]; served: () => number }> {
  const listen = vi.spyOn(Server.prototype, 'listen');
  const acceptor = new SocketAcceptor(parseListen('tcp://127.0.0.1:0'));
  open.push(() => void acceptor.close());
  const port = Number((await acceptor.bind()).split(':').at(-1));
  const server = listen.mock.contexts.at(-1) as Server;
  listen.mockRestore();
  const told: string[] = [];
  let served = 0;
  acceptor.open(
    ({ stream }) => {
      served++;
      stream.destroy();
    },
    {
      refused: (what) => told.push(`refused ${what}`),
      note: (text) => told.push(`note ${text}`),
      lost: (error) => told.push(`lost ${error.message}`),
    },
  );
  return { port, server, told, served: () => served };
}

const systemError = (code: string): Error => Object.assign(new Error(`accept ${code}`), { code });

test('errors of a listener are told: what the system is out of, and who was gone already', async () => {
  const { server, told } = await watched();
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ECONNABORTED']) server.emit('error', systemError(code));
  expect(told).toEqual([
    'refused no descriptor left in this process (EMFILE)',
    'refused no descriptor left in the system (ENFILE)',
    'refused no memory left for sockets (ENOBUFS)',
    'note a client could not be accepted: accept ECONNABORTED',
  ]);
});

test('a listener that is broken is opened again on its port', async () => {
  const { port, server, told, served } = await watched();
  server.emit('error', systemError('EBADF'));
  await expect.poll(() => told).toEqual([expect.stringContaining('was opened again: accept EBADF')]);
  const client = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
  open.push(() => client.destroy());
  await expect.poll(served).toBe(1);
});

test('a listener that cannot be opened again is lost, with the reason', async () => {
  const { port, server, told } = await watched();
  const listen = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
    queueMicrotask(() => this.emit('error', systemError('EADDRINUSE')));
    return this;
  });
  server.emit('error', systemError('EBADF'));
  await expect.poll(() => told).toEqual([expect.stringMatching(/^lost cannot listen on .*EADDRINUSE/)]);
  listen.mockRestore();
  expect(port).toBeGreaterThan(0);
});

test('a listener of a single process says that it cannot pause', async () => {
  const acceptor = new SocketAcceptor(parseListen('tcp://127.0.0.1:0'));
  open.push(() => void acceptor.close());
  expect(acceptor.setPaused(true)).toBe(false);
  await acceptor.bind();
  expect(acceptor.setPaused(true)).toBe(false);
});

test('a listener on one address is the local end of all its connections', async () => {
  const { local, peer, clientPort } = await intakeOf('127.0.0.2', '127.0.0.2');
  expect(local.address).toBe('127.0.0.2');
  expect(peer).toEqual({ address: expect.stringMatching(/^127\./) as string, port: clientPort });
});

test.each(['127.0.0.1', '127.0.0.3'])(
  'a listener on all addresses tells which one was called: %s',
  async (address) => {
    expect((await intakeOf('0.0.0.0', address)).local.address).toBe(address);
  },
);

test('an IPv4 client of a listener for both is known by IPv4 addresses', async () => {
  const { local, peer } = await intakeOf('[::]', '127.0.0.1');
  expect([local.address, peer.address]).toEqual(['127.0.0.1', '127.0.0.1']);
});
