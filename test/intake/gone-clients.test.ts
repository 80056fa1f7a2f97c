/** Clients that are gone between the hand-over and the banner, by each way to come in: they leave nothing behind. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { definePlugin } from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { createFront } from '../../host/fronts/http/http-acceptor.ts';
import { HandoverAcceptor } from '../../host/intake/handover-acceptor.ts';
import type { Acceptor } from '../../host/intake/incoming-connection.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { LocalLedger } from '../../host/process/connection-ledger.ts';
import { Server } from '../../host/server/server.ts';
import { request } from '../fronts/http-server.ts';
import { answerOf } from '../tls/secure-server.ts';

const CLIENTS = 20;
const HEADER = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Way {
  readonly acceptor: Acceptor;
  /** A client, given where the acceptor listens. */
  open(address: string): Duplex;
}

function dial(where: { port: number; host: string } | { path: string }, first = ''): Socket {
  const socket = connect({ ...where, allowHalfOpen: true });
  socket.on('error', () => undefined);
  ends.push(() => socket.destroy());
  if (first !== '') socket.write(first);
  return socket;
}

const portOf = (address: string): number => Number(/:(\d+)(?: |$)/.exec(address)?.[1]);

const overTcp =
  (spec: string, first = '') =>
  (): Way => ({
    acceptor: createFront(parseListen(spec)),
    open: (address) => dial({ port: portOf(address), host: '127.0.0.1' }, first),
  });

function overUnix(): Way {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-gone-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'smtp.sock');
  return { acceptor: createFront(parseListen(`unix:${path}`)), open: () => dial({ path }) };
}

function inMemory(): Way {
  const acceptor = new MemoryAcceptor();
  return { acceptor, open: () => acceptor.connect() };
}

async function handedOver(): Promise<Way> {
  const acceptor = new HandoverAcceptor();
  const theirs = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  ends.push(() => theirs.close());
  await once(theirs, 'listening');
  acceptor.attach(theirs, (socket) => acceptor.accept(socket));
  return { acceptor, open: () => dial({ port: (theirs.address() as AddressInfo).port, host: '127.0.0.1' }) };
}

test.each<[string, () => Way | Promise<Way>]>([
  ['tcp', overTcp('tcp://127.0.0.1:0')],
  ['tcp with a PROXY header', overTcp('tcp://127.0.0.1:0 proxy=required', HEADER)],
  ['unix', overUnix],
  ['http', overTcp('http://127.0.0.1:0 upgrade=smtp', request('/smtp', ['Upgrade: smtp']))],
  ['memory', inMemory],
  ['handed over', handedOver],
])('%s', async (_, make) => {
  const { acceptor, open } = await make();
  let release = (): void => undefined;
  let held = new Promise<void>((resolve) => (release = resolve));
  let asked = 0;
  const errors: string[] = [];
  const slow = definePlugin({
    name: 'slow',
    about: 'Thinks about clients until it is told to go on.',
    hooks: {
      connect: async () => {
        asked++;
        await held;
        return undefined;
      },
      logging: (_context, { text }) => void (/exception|rror/.test(text) && errors.push(text)),
    },
  });
  const server = await Server.load({
    acceptors: [acceptor],
    directories: [],
    overlay: new Map([
      ['me', ['mx.test']],
      ['plugins', ['slow']],
    ]),
    definitions: [slow],
    reverseLookup: noReverseLookup,
    maxConnections: CLIENTS,
    ledger: new LocalLedger(CLIENTS),
  });
  ends.push(() => server.drain(0));
  const [address = ''] = await server.listen();
  const clients = Array.from({ length: CLIENTS }, () => open(address));
  await expect.poll(() => asked).toBe(CLIENTS);
  for (const [index, client] of clients.entries()) {
    // TCP alone knows resets.
    if (index % 2 === 0 && client instanceof Socket && client.remoteAddress !== undefined)
      client.resetAndDestroy();
    else client.destroy();
  }
  release();
  await expect.poll(() => server.sessions).toBe(0);
  // Every place is free again, of the server and of the address.
  held = Promise.resolve();
  const next = Array.from({ length: CLIENTS }, () => open(address));
  await Promise.all(next.map((client) => answerOf(client, '', /^220 .*\r\n$/m)));
  expect([server.sessions, errors]).toEqual([CLIENTS, []]);
});
