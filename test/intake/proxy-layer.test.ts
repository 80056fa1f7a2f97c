/** The PROXY header is taken off real sockets, whole, in pieces, and not at all. */

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IncomingConnection } from '../../host/intake/incoming-connection.ts';
import { ProxyHeaderError, takeProxyHeader } from '../../host/intake/proxy-layer.ts';
import { PATIENCE_MS } from '../patience.ts';

const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n';
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

let server: Server;
let client: Socket;
let intake: IncomingConnection;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => undefined);
  const peer = { address: '127.0.0.1', port: 1 };
  intake = { stream: socket, outlivesStream: true, hops: ['tcp'], peer, remote: peer, local: peer };
});

afterEach(() => {
  client.destroy();
  intake.stream.destroy();
  server.close();
});

/** What the next reader of the stream finds, up to `octets`. */
async function rest(octets: number): Promise<string> {
  let text = '';
  while (text.length < octets) {
    const chunk = intake.stream.read() as Buffer | null;
    if (chunk === null) await once(intake.stream, 'readable');
    else text += chunk.toString('latin1');
  }
  return text;
}

const problem = (timeoutMs = PATIENCE_MS): Promise<unknown> =>
  takeProxyHeader(intake, timeoutMs).then(
    () => undefined,
    (error: unknown) => error,
  );

test('the client is the one the header names, and what follows is its own', async () => {
  client.write(`${V1}EHLO client.example\r\n`);
  await takeProxyHeader(intake, PATIENCE_MS);
  expect(intake).toMatchObject({
    hops: ['tcp', 'proxy-v1'],
    remote: { address: '192.0.2.7', port: 40_000 },
    local: { address: '198.51.100.1', port: 25 },
    peer: { address: '127.0.0.1', port: 1 },
  });
  expect(await rest(21)).toBe('EHLO client.example\r\n');
});

test.each([...V1].map((_, cut) => cut + 1))('in two pieces, cut after %i octets', async (cut) => {
  const taken = takeProxyHeader(intake, PATIENCE_MS);
  client.write(V1.slice(0, cut));
  await new Promise((resolve) => setImmediate(resolve));
  client.write(`${V1.slice(cut)}X`);
  await taken;
  expect(intake.remote.address).toBe('192.0.2.7');
  expect(await rest(1)).toBe('X');
});

test('octet by octet, and listened to by a flowing reader after it', async () => {
  const taken = takeProxyHeader(intake, PATIENCE_MS);
  for (const octet of V1) {
    client.write(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await taken;
  const got = once(intake.stream, 'data') as Promise<[Buffer]>;
  client.write('NOOP\r\n');
  expect((await got)[0].toString()).toBe('NOOP\r\n');
});

test('a health check is known for one, and keeps the addresses of the socket', async () => {
  client.write(LOCAL);
  await takeProxyHeader(intake, PATIENCE_MS);
  expect(intake).toMatchObject({ isProbe: true, remote: intake.peer, hops: ['tcp', 'proxy-v2'] });
});

describe('without a header the connection ends unanswered', () => {
  test('where the client speaks SMTP', async () => {
    client.write('EHLO client.example\r\n');
    const error = await problem();
    expect(error).toBeInstanceOf(ProxyHeaderError);
    expect((error as Error).message).toBe('no PROXY header');
    expect(intake.stream.destroyed).toBe(true);
  });

  test('where nothing comes in time', async () => {
    expect(String(await problem(20))).toBe('ProxyHeaderError: no PROXY header within 0.02 s');
  });

  test('where the client leaves in the middle of it', async () => {
    client.end(V1.slice(0, 9));
    expect(String(await problem())).toContain('after 9 octets of a PROXY header');
  });

  test('where the client is gone already', async () => {
    intake.stream.destroy();
    await once(intake.stream, 'close');
    expect(String(await problem())).toContain('after 0 octets');
  });

  test('where 64 KiB are announced, nothing of them is waited for', async () => {
    client.write(Buffer.concat([LOCAL.subarray(0, 12), Buffer.from([0x21, 0x11, 0xff, 0xff])]));
    expect(String(await problem())).toContain('longer than 4096 octets');
  });

  test('is told so if the listener has words for it, and cut off if it stays', async () => {
    client.destroy();
    client = connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    const [socket] = (await once(server, 'connection')) as [Socket];
    intake = { ...intake, stream: socket };
    client.write('EHLO client.example\r\n');
    const refused = takeProxyHeader(intake, PATIENCE_MS, 'no\r\n').catch(String);
    const [told] = (await once(client, 'data')) as [Buffer];
    expect(String(told)).toBe('no\r\n');
    expect(await refused).toBe('ProxyHeaderError: no PROXY header');
    expect(socket.destroyed).toBe(true);
  });
});
