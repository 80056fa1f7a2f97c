/** STARTTLS over real sockets. RFC 3207. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { definePlugin, LogLevel, ok } from '../../bindings/plugin/index.ts';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import { TestClient } from '../../host/testing/index.ts';
import { answerOf, CertificateFolder, makePair, SecureClient, SecureServer } from './secure-server.ts';
import { until } from '../patience.ts';

interface Kept {
  readonly received: string;
  readonly tls: TlsFacts | undefined;
  readonly bodySha: string;
}

const folder = new CertificateFolder();
const kept: Kept[] = [];
let server: SecureServer;

const keep = definePlugin({
  name: 'keep',
  about: 'Keeps what is known of every message.',
  hooks: {
    async queue({ transaction: { message }, connection: { tls } }) {
      const sum = createHash('sha1');
      for await (const block of message.body('crlf')) sum.update(block);
      kept.push({ received: message.header.get('Received') ?? '', tls, bodySha: sum.digest('hex') });
      return ok('kept');
    },
  },
});

beforeAll(async () => {
  const pair = folder.write('mx', makePair('mx.test'));
  server = await SecureServer.start({ plugins: [`tls ${pair}`, 'rcpt_ok', keep] });
});
afterAll(async () => {
  await server.close();
  folder.remove();
});

afterEach(() => server.dropClients());

const MAIL = ['MAIL FROM:<a@b.example>', 'RCPT TO:<u@example.test>', 'DATA'];

async function greetedInTls(client: SecureClient): Promise<void> {
  await client.say('EHLO client.example');
}

describe('the handshake', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    '%s is spoken, and Received names the cipher',
    async (version) => {
      const client = await server.startTls({
        minVersion: version,
        maxVersion: version,
        servername: 'mx.test',
      });
      const cipher = client.socket.getCipher().name;
      await greetedInTls(client);
      for (const line of MAIL) await client.say(line);
      expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toBe('250 kept');
      expect(kept.at(-1)?.tls).toEqual({
        by: 'self',
        version,
        cipher,
        serverName: 'mx.test',
        verified: false,
      });
      expect(kept.at(-1)?.received).toContain(` with ESMTPS (${cipher} encrypted); `);
      expect(await client.say('QUIT')).toMatch(/^221 /);
      expect(await client.isClosed()).toBe(true);
    },
  );

  test('TLS 1.1 is refused with an alert that says so (RFC 8996)', async () => {
    const socket = await server.readyForTls();
    const options = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(SecureClient.over(socket, options)).rejects.toThrow(
      /alert protocol version|protocol version/,
    );
    await until(() => server.logged(/TLS handshake failed: unsupported protocol/).length > 0, 'the reason');
  });

  test('a suite without a certificate is refused, though the list of ciphers has some', async () => {
    const socket = await server.readyForTls();
    const options = { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' } as const;
    await expect(SecureClient.over(socket, options)).rejects.toThrow(/handshake failure/);
  });

  test('octets that are no TLS end the connection, with the reason in the log', async () => {
    const socket = await server.readyForTls();
    socket.write('MAIL FROM:<a@b.example>\r\n');
    socket.resume();
    await once(socket, 'end');
    socket.destroy();
    await until(() => server.logged(/TLS handshake failed: wrong version number/).length > 0, 'the reason');
    await until(() => server.server.sessions === 0, 'no session is left');
  });

  test('a client that leaves in the middle leaves nothing behind', async () => {
    const socket = await server.readyForTls();
    // The header of a handshake record of 512 octets, and not one of them.
    socket.write(Buffer.from([0x16, 3, 1, 2, 0]));
    socket.destroy();
    await until(() => server.logged(/TLS handshake failed: /).length > 0, 'the failure is logged');
    await until(() => server.server.sessions === 0, 'no session is left');
  });
});

describe('what STARTTLS changes', () => {
  test('EHLO is forgotten and required again, and no longer offers STARTTLS (RFC 3207 section 4.2)', async () => {
    const client = await server.startTls();
    expect(await client.say('RCPT TO:<u@example.test>')).toBe('503 Use MAIL before RCPT');
    expect(await client.say('MAIL FROM:<a@b.example>')).toBe('503 please say hello first ...');
    expect(await client.say('EHLO client.example')).not.toContain('STARTTLS');
    expect(await client.say('STARTTLS')).toBe('500 Unrecognized command');
    expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
    client.destroy();
  });

  test('a transaction that has begun is forgotten', async () => {
    const socket = server.connectSocket();
    await answerOf(socket, '', /^220 /);
    await answerOf(socket, 'EHLO c.example\r\n', /^250 /m);
    await answerOf(socket, 'MAIL FROM:<a@b.example>\r\n', /^250 /);
    await answerOf(socket, 'STARTTLS\r\n', /^220 /);
    const client = await SecureClient.over(socket);
    await greetedInTls(client);
    expect(await client.say('RCPT TO:<u@example.test>')).toBe('503 Use MAIL before RCPT');
    client.destroy();
  });

  test.each([
    ['commands', 'NOOP injected\r\nMAIL FROM:<inj@x.example>\r\n'],
    ['half a command', 'NOOP inj'],
  ])('%s that came behind it in the clear are thrown away, and that is logged', async (_, injected) => {
    const socket = server.connectSocket();
    await answerOf(socket, '', /^220 /);
    await answerOf(socket, 'EHLO c.example\r\n', /^250 /m);
    const before = server.logged(/behind STARTTLS/).length;
    await answerOf(socket, `STARTTLS\r\n${injected}`, /^220 Go ahead with TLS\r\n$/);
    const client = await SecureClient.over(socket);
    expect(await client.say('EHLO after')).toMatch(/^250-mx\.test Hi /);
    expect(await client.say('RCPT TO:<u@example.test>')).toBe('503 Use MAIL before RCPT');
    client.destroy();
    const [line] = server.logged(/behind STARTTLS/).slice(before);
    expect(line?.text).toContain(`${injected.length} octets`);
    expect(line?.level).toBe(LogLevel.WARN);
  });

  test('replies to commands in front of it in the same packet arrive first, in the clear', async () => {
    const socket = server.connectSocket();
    await answerOf(socket, '', /^220 /);
    const sent = 'EHLO c.example\r\nNOOP\r\nSTARTTLS\r\n';
    expect(await answerOf(socket, sent, /220 .*\r\n$/)).toMatch(
      /^250-[^]*\r\n250 OK\r\n220 Go ahead with TLS\r\n$/,
    );
    const client = await SecureClient.over(socket);
    await greetedInTls(client);
    client.destroy();
  });
});

describe('mail through TLS', () => {
  test('pipelined commands are answered in order (RFC 2920)', async () => {
    const client = await server.startTls();
    client.send(`EHLO c.example\r\n${MAIL.join('\r\n')}\r\n`);
    const codes = [];
    for (let index = 0; index < 4; index++) codes.push((await client.reply()).slice(0, 3));
    expect(codes).toEqual(['250', '250', '250', '354']);
    client.send('Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n');
    expect(await client.reply()).toBe('250 kept');
    expect(await client.reply()).toMatch(/^221 /);
    expect(await client.isClosed()).toBe(true);
  });

  test('a client that closes its side after QUIT still reads all replies', async () => {
    const client = await server.startTls();
    client.send('EHLO c.example\r\nNOOP\r\nQUIT\r\n');
    client.socket.end();
    expect(await client.reply()).toMatch(/^250-/);
    expect(await client.reply()).toBe('250 OK');
    expect(await client.reply()).toMatch(/^221 /);
  });

  test('a whole dialogue octet by octet', async () => {
    const client = await server.startTls();
    const dialogue = `EHLO c.example\r\n${MAIL.join('\r\n')}\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n`;
    for (const octet of dialogue) {
      client.send(octet);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const codes = [];
    for (let index = 0; index < 6; index++) codes.push((await client.reply()).slice(0, 3));
    expect(codes).toEqual(['250', '250', '250', '354', '250', '221']);
  });

  test('five million octets arrive as they were sent', async () => {
    const line = `${'0123456789'.repeat(7)}\r\n`;
    const body = line.repeat(Math.ceil(5e6 / line.length));
    const client = await server.startTls();
    await greetedInTls(client);
    for (const command of MAIL) await client.say(command);
    expect(await client.say(`Subject: x\r\n\r\n${body}.`)).toBe('250 kept');
    expect(kept.at(-1)?.bodySha).toBe(createHash('sha1').update(`\r\n${body}`).digest('hex'));
    client.destroy();
  });

  test('forty clients at a time', async () => {
    const before = kept.length;
    const clients = await Promise.all(Array.from({ length: 40 }, () => server.startTls()));
    await Promise.all(
      clients.map(async (client) => {
        await greetedInTls(client);
        for (const command of MAIL) await client.say(command);
        expect(await client.say('Subject: x\r\n\r\nx\r\n.')).toBe('250 kept');
        await client.say('QUIT');
        client.destroy();
      }),
    );
    expect(kept.length - before).toBe(40);
    await until(() => server.server.sessions === 0, 'no session is left');
  });
});

test('a client may not ask for handshake after handshake inside one connection', async () => {
  const client = await server.startTls({ maxVersion: 'TLSv1.2' });
  await greetedInTls(client);
  const refused = once(client.socket, 'error');
  client.socket.renegotiate({}, () => undefined);
  expect(String((await refused)[0])).toMatch(/no renegotiation/i);
  client.destroy();
});

test('broken octets inside TLS end the connection and nothing else', async () => {
  const plain = await server.readyForTls();
  const client = await SecureClient.over(plain);
  await greetedInTls(client);
  plain.write('this is no TLS record, though it stands where one should\r\n');
  expect(await client.isClosed()).toBe(true);
  await until(() => server.server.sessions === 0, 'no session is left');
  const next = new TestClient(server.connectSocket());
  expect(await next.reply()).toMatch(/^220 /);
  next.destroy();
});
