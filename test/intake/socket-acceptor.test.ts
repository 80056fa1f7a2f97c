/** What an acceptor says of a connection's ends. */

import { connect, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Intake } from '../../host/intake/intake.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';

const open: (() => void)[] = [];
afterEach(() => open.splice(0).forEach((close) => close()));

/** Listens on a free port of `listenOn`; resolves with the intake of a client that connects to `address`. */
async function intakeOf(
  listenOn: string,
  address: string,
): Promise<Intake & { readonly clientPort: number }> {
  const acceptor = new SocketAcceptor(parseListen(`tcp://${listenOn}:0`));
  open.push(() => void acceptor.close());
  const port = Number((await acceptor.bind()).split(':').at(-1));
  const client = connect({ port, host: address });
  open.push(() => client.destroy());
  const connected = new Promise<number>((resolve) =>
    client.once('connect', () => resolve((client.address() as AddressInfo).port)),
  );
  const intake = await new Promise<Intake>((resolve) => acceptor.open(resolve));
  open.push(() => intake.stream.destroy());
  expect(intake.local.port).toBe(port);
  return { ...intake, clientPort: await connected };
}

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
