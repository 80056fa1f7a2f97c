/** Outgoing connections of plugins, against real servers. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, createSecureContext, TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { connectProblem, type ConnectionStream } from '../../bindings/plugin/connect.ts';
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

describe('a connection that is begun', () => {
  test('stands once it says so, and hands over what arrives in a buffer of its own', async () => {
    const port = await listening(
      createServer((socket) => socket.write('hello')),
      local,
    );
    const blocks: unknown[] = [];
    const text = await new Promise<string>((resolve) => {
      const onOctets = (octets: Buffer): void => resolve(octets.toString());
      const stream = connect.begin({ host, port }, { onOctets });
      ends.push(() => void stream.destroy());
      stream.once('connect', () => expect(stream.writable).toBe(true));
      stream.on('data', (block) => blocks.push(block));
    });
    expect(text).toBe('hello');
    expect(blocks).toEqual([]);
  });

  test('says why it can not be made', async () => {
    const server = createServer();
    const port = await listening(server, local);
    server.close();
    await once(server, 'close');
    const stream = connect.begin({ host, port });
    const cause = await new Promise((resolve) => stream.once('error', resolve));
    expect(connectProblem(cause, port)).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`);
  });
});

describe('a stream that is secured', () => {
  const pair = makePair('hop.test');

  /** Says something in the clear, then speaks TLS, as after STARTTLS. */
  const standing = async (greet = true) => {
    const port = await listening(
      createServer((socket) => {
        if (!greet) socket.once('data', () => void socket.destroy());
        socket.write('220 go ahead\r\n', () => {
          if (!greet) return;
          const context = createSecureContext({ cert: pair.certificate, key: pair.key });
          const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
          secured.on('error', () => undefined);
          secured.write('secret');
        });
      }),
      local,
    );
    const plain = await new Promise<ConnectionStream>((resolve) => {
      const begun = connect.begin({ host, port }, { onOctets: () => resolve(begun) });
      begun.on('error', () => undefined);
    });
    ends.push(() => void plain.destroy());
    return plain;
  };

  test('is what the certificate says, which an authority vouches for', async () => {
    const tls = { serverName: 'hop.test', authorities: pair.certificate };
    const { stream, peer, protocol } = await connect.secure(await standing(), tls);
    expect([peer.distrust, peer.hasName, peer.chain.length, protocol]).toEqual([
      undefined,
      true,
      1,
      'TLSv1.3',
    ]);
    const [octets] = (await once(stream, 'data')) as [Buffer];
    expect(octets.toString()).toBe('secret');
  });

  test('is refused if nobody vouches for it, or if it stands for another name', async () => {
    const plain = await standing();
    await expect(connect.secure(plain, { serverName: 'hop.test' })).rejects.toThrow(/SELF_SIGNED/);
    const tls = { serverName: 'hop.test', authorities: pair.certificate, names: ['other.test'] };
    await expect(connect.secure(await standing(), tls)).rejects.toThrow(/does not stand for/);
    await expect(connect.secure(await standing(), { authorities: pair.certificate })).rejects.toThrow(
      /does not stand for/,
    );
  });

  test('is left to the judgement of a caller that wants it so', async () => {
    const names = ['other.test', 'hop.test'];
    const { peer } = await connect.secure(await standing(), { names, isJudgedByCaller: true });
    expect(peer.distrust).toMatch(/SELF_SIGNED/);
    expect(peer.hasName).toBe(true);
    expect(new X509Certificate(peer.chain[0]!).fingerprint256).toBe(
      new X509Certificate(pair.certificate).fingerprint256,
    );
  });

  test('is given up with the connection', async () => {
    await expect(
      connect.secure(await standing(false), { names: [], isJudgedByCaller: true }),
    ).rejects.toThrow();
  });
});

test('files that do not fit together are found before they are used', () => {
  const [one, other] = [makePair('one.test'), makePair('other.test')];
  expect(() => connect.check({ certificate: one.certificate, key: one.key })).not.toThrow();
  expect(() => connect.check({ certificate: one.certificate, key: other.key })).toThrow(
    /key values mismatch/,
  );
});
