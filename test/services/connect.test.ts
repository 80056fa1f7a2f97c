/** Outgoing connections of plugins, against real servers. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { connect } from '../../host/connect/connect.ts';
import { PATIENCE_MS } from '../patience.ts';
import { makePair } from '../tls/secure-server.ts';

const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

async function listening(
  server: Server,
  where: { path: string } | { port: 0; host: string },
): Promise<number> {
  ends.push(() => void server.close());
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    ends.push(() => void socket.destroy());
  });
  server.listen(where);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const local = { port: 0, host: '127.0.0.1' } as const;
const host = '127.0.0.1';

/** What the other end says first. */
async function greeting(
  target: Parameters<typeof connect>[0],
  options: Partial<Parameters<typeof connect>[1]> = {},
) {
  const stream = await connect(target, { timeoutMs: PATIENCE_MS, ...options });
  ends.push(() => void stream.destroy());
  const [block] = (await once(stream, 'data')) as [Buffer];
  return block.toString();
}

test('a TCP port', async () => {
  const port = await listening(
    createServer((socket) => socket.write('hello')),
    local,
  );
  expect(await greeting({ host, port })).toBe('hello');
});

test('a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-connect-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  await listening(
    createServer((socket) => socket.write('hello')),
    { path },
  );
  expect(await greeting({ path })).toBe('hello');
});

describe('TLS', () => {
  const pair = makePair('127.0.0.1');
  const secure = () =>
    createTlsServer({ cert: pair.certificate, key: pair.key }, (socket) => socket.write('secret'));

  test('with a certificate that an authority vouches for', async () => {
    const port = await listening(secure(), local);
    expect(await greeting({ host, port }, { tls: { authorities: pair.certificate } })).toBe('secret');
  });

  test('not with one of an unknown authority, nor with one for another name', async () => {
    const port = await listening(secure(), local);
    await expect(greeting({ host, port }, { tls: {} })).rejects.toThrow(/self-signed|unable to verify/);
    const tls = { authorities: pair.certificate, serverName: 'other.example' };
    await expect(greeting({ host, port }, { tls })).rejects.toThrow(/other\.example/);
  });

  test('not with a daemon that speaks none', async () => {
    const port = await listening(
      createServer((socket) => socket.end('220 hello\r\n')),
      local,
    );
    await expect(greeting({ host, port }, { tls: {} })).rejects.toThrow();
  });

  test('a handshake that does not end is given up in time', async () => {
    const port = await listening(
      createServer((socket) => socket.resume()),
      local,
    );
    await expect(greeting({ host, port }, { tls: {}, timeoutMs: 50 })).rejects.toThrow(
      'no connection within its time',
    );
  });
});

test('nobody listens: the message names the port', async () => {
  const server = createServer();
  const port = await listening(server, local);
  await new Promise((resolve) => server.close(resolve));
  await expect(greeting({ host, port })).rejects.toThrow(`ECONNREFUSED 127.0.0.1:${port}`);
});

test('a signal that is aborted, before and meanwhile', async () => {
  const aborted = AbortSignal.abort();
  await expect(greeting({ host, port: 1 }, { signal: aborted })).rejects.toThrow('no time is left');
  const port = await listening(
    createServer((socket) => socket.resume()),
    local,
  );
  const aborter = new AbortController();
  const waiting = greeting({ host, port }, { tls: {}, signal: aborter.signal });
  aborter.abort();
  await expect(waiting).rejects.toThrow('no connection within its time');
});
