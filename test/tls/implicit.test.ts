/** TLS before the first octet of SMTP (RFC 8314 section 3.3), client certificates, and clients that never finish. */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { connect } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import { answerOf, CertificateFolder, makePair, SecureServer } from './secure-server.ts';
import { until } from '../patience.ts';

const folder = new CertificateFolder();
const pair = folder.write('mx', makePair('mx.test'));
const servers: SecureServer[] = [];
const seen: (TlsFacts | undefined)[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  folder.remove();
});

/** Notes what the connect hooks are told: TLS has to be on by then. */
const look = definePlugin({
  name: 'look',
  about: 'Looks at TLS.',
  hooks: {
    connect({ connection }) {
      seen.push(connection.tls);
      return undefined;
    },
    vrfy: ({ connection: { tls } }) => ok(`${tls?.clientName ?? 'nobody'} ${tls?.verified}`),
  },
});

async function start(
  config: Record<string, readonly string[]> = {},
  listenOptions = ' tls=implicit',
): Promise<SecureServer> {
  const server = await SecureServer.start({
    plugins: [`tls ${pair}`, 'rcpt_ok', look],
    config,
    listenOptions,
  });
  servers.push(server);
  return server;
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  '%s is on before the greeting and the connect hooks',
  async (version) => {
    const server = await start();
    const client = await server.connectTls({ minVersion: version, maxVersion: version });
    expect(await client.reply()).toMatch(/^220 mx\.test ESMTP/);
    expect(seen.at(-1)).toMatchObject({ by: 'self', version });
    expect(await client.say('EHLO c.example')).not.toContain('STARTTLS');
    expect(await client.say('STARTTLS')).toBe('500 Unrecognized command');
    expect(await client.say('QUIT')).toMatch(/^221 /);
  },
);

test('without the option nothing but port 465 begins with TLS', async () => {
  const server = await start({}, '');
  const socket = server.connectSocket();
  expect(await answerOf(socket, '', /^220 /)).toContain('ESMTP');
  socket.destroy();
});

/** Not `once(socket, 'end')`: what the client sent last may be answered with a reset. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).once('end', () => socket.destroy());
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

test('a client that speaks SMTP to it is let go without an answer', async () => {
  const server = await start();
  const socket = server.connectSocket();
  socket.write('EHLO c.example\r\n');
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  await closed(socket);
  // What comes is the alert of TLS, which is no line.
  expect(answer).not.toContain('\n');
  await until(() => server.logged(/TLS handshake failed/).length > 0, 'the failure is logged');
  await until(() => server.server.sessions === 0, 'no session is left');
});

test.each(['silent', 'slow'])(
  'a client that is %s in the handshake is cut off when its time is up',
  async (kind) => {
    const server = await start({ tls_handshake_timeout: ['1'] });
    const socket = server.connectSocket();
    // An octet now and then must not buy more time.
    const drip = setInterval(() => kind === 'slow' && socket.write(Buffer.of(0x16)), 100);
    if (kind === 'slow') socket.write(Buffer.from([0x16, 3, 1, 2, 0]));
    socket.resume();
    await closed(socket);
    clearInterval(drip);
    await until(() => server.logged(/TLS handshake failed: not finished after 1 s/).length > 0, 'the reason');
    await until(() => server.server.sessions === 0, 'no session is left');
  },
);

test('a client that hangs in the handshake does not keep the daemon from stopping', async () => {
  const server = await start();
  const socket = server.connectSocket();
  await until(() => server.server.sessions === 1, 'the session');
  socket.on('error', () => undefined).resume();
  const ended = once(socket, 'close');
  socket.on('end', () => socket.destroy());
  await server.server.drain(0);
  await ended;
});

test('clients that break off at every place of their first flight leave nothing behind', async () => {
  const server = await start();
  const [clientEnd, serverEnd] = duplexPair();
  connect({ socket: clientEnd, rejectUnauthorized: false }).on('error', () => undefined);
  const [hello] = (await once(serverEnd, 'data')) as [Buffer];
  clientEnd.destroy();
  for (let cut = 0; cut < hello.length; cut++) {
    const socket = server.connectSocket();
    socket.on('error', () => undefined).resume();
    socket.write(hello.subarray(0, cut));
    if (cut % 2 === 0) socket.end();
    else await new Promise<void>((resolve) => socket.once('connect', () => resolve(void socket.destroy())));
  }
  await until(() => server.server.sessions === 0, 'no session is left');
  const client = await server.connectTls();
  expect(await client.reply()).toMatch(/^220 /);
  client.destroy();
});

test('client certificates are asked for, told apart, and never required (tls_client_ca)', async () => {
  const known = makePair('known client');
  const stranger = makePair('stranger');
  folder.write('authority', known);
  const server = await start({ tls_client_ca: [folder.file('authority.crt')] });
  const nameOf = async (certificate?: { certificate: string; key: string }): Promise<string> => {
    const client = await server.connectTls(
      certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.key },
    );
    await client.reply();
    const reply = await client.say('VRFY me');
    client.destroy();
    return reply;
  };
  expect(await nameOf(known)).toBe('250 known client true');
  expect(await nameOf(stranger)).toBe('250 stranger false');
  expect(await nameOf()).toBe('250 nobody false');
});

test('a resumed session keeps the client certificate it was made with (RFC 8446 section 2.2)', async () => {
  const known = makePair('known client');
  folder.write('authority', known);
  const server = await start({ tls_client_ca: [folder.file('authority.crt')] });
  const resume = async () => {
    const first = connect({
      socket: server.connectSocket(),
      rejectUnauthorized: false,
      cert: known.certificate,
      key: known.key,
    });
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    return server.connectTls({ session });
  };
  let second = await resume();
  // Certificates that are as new as these are read once more, and a session of the first reading cannot be resumed then.
  for (let tries = 0; tries < 5 && !second.socket.isSessionReused(); tries++) {
    second.destroy();
    second = await resume();
  }
  await second.reply();
  expect(second.socket.isSessionReused()).toBe(true);
  expect(await second.say('VRFY me')).toBe('250 known client true');
  second.destroy();
});
