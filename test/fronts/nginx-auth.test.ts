import { once } from 'node:events';
import { get, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, denySoft, ok } from '../../bindings/plugin/index.ts';
import { HttpServer, type HttpServerOptions } from './http-server.ts';

let server: HttpServer;
afterEach(() => server.close());

const seen: string[] = [];
const accounts = definePlugin({
  name: 'accounts',
  about: 'Knows one user.',
  hooks: {
    'auth-plain': async ({ connection }, mechanism, credentials) => {
      const { tls } = connection;
      seen.push(`${connection.remoteIp} ${connection.helloHost} ${mechanism} ${tls?.version} ${tls?.cipher}`);
      if (credentials.user === 'locked@example.test') return denySoft('the directory is away');
      const isRight = credentials.user === 'ann@example.test' && (await credentials.verify('p%ss "wörd'));
      return isRight ? ok() : deny('no such user');
    },
  },
});

async function start(more: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  seen.length = 0;
  server = await HttpServer.start({
    options: 'nginx-auth=port=2525,tls-port=2526',
    plugins: [accounts],
    ...more,
    config: { auth_delay: ['0'], ...more.config },
  });
  return server;
}

async function ask(headers: OutgoingHttpHeaders): Promise<IncomingMessage> {
  const all = {
    'Auth-Method': 'none',
    'Auth-Protocol': 'smtp',
    'Auth-Login-Attempt': '1',
    'Client-IP': '192.0.2.7',
    ...headers,
  };
  const request = get({
    port: server.port,
    host: '127.0.0.1',
    path: '/nginx-auth',
    headers: all,
    agent: false,
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response;
}

const fieldsOf = ({ headers }: IncomingMessage): Record<string, unknown> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('auth-')));

const LOGIN = { 'Auth-Method': 'plain', 'Auth-SMTP-Helo': 'c.example', 'Auth-User': 'ann@example.test' };
// As nginx writes it: %XX for octets beyond printable ASCII, for blanks, and for the percent sign.
const RIGHT = { ...LOGIN, 'Auth-Pass': 'p%25ss%20"w%C3%B6rd' };

describe('auth_http of nginx', () => {
  test.each([
    ['in the clear', {}, '2525'],
    ['in TLS', { 'Auth-SSL': 'on', 'Auth-SSL-Protocol': 'TLSv1.3' }, '2526'],
  ])('a client without AUTH goes on, %s', async (_, headers, port) => {
    await start();
    const response = await ask(headers);
    expect(response.statusCode).toBe(200);
    expect(fieldsOf(response)).toEqual({
      'auth-status': 'OK',
      'auth-server': '127.0.0.1',
      'auth-port': port,
    });
    expect(seen).toEqual([]);
  });

  test('the plugins are asked about a password, for the client of nginx', async () => {
    await start({ options: 'nginx-auth=port=2525,host=::1' });
    const tls = {
      'Auth-SSL': 'on',
      'Auth-SSL-Protocol': 'TLSv1.3',
      'Auth-SSL-Cipher': 'TLS_AES_128_GCM_SHA256',
    };
    for (const method of ['plain', 'login'])
      expect(fieldsOf(await ask({ ...RIGHT, ...tls, 'Auth-Method': method }))).toEqual({
        'auth-status': 'OK',
        'auth-server': '::1',
        'auth-port': '2525',
      });
    const asked = '192.0.2.7 c.example plain TLSv1.3 TLS_AES_128_GCM_SHA256';
    expect(seen).toEqual([asked, asked]);
    await expect.poll(() => server.server.sessions).toBe(0);
  });

  test.each([
    ['a wrong password', { ...LOGIN, 'Auth-Pass': 'x' }, '535 5.7.8'],
    ['no password', LOGIN, '535 5.7.8'],
    ['a NUL in it, which would make another user of it', { ...LOGIN, 'Auth-Pass': 'x%00y' }, '535 5.7.8'],
    ['a plugin that cannot look', { ...RIGHT, 'Auth-User': 'locked@example.test' }, '454 4.7.0'],
    [
      'CRAM-MD5',
      { ...LOGIN, 'Auth-Method': 'cram-md5', 'Auth-Salt': '<1@x>', 'Auth-Pass': 'ab' },
      '504 5.5.4',
    ],
  ])('%s is told, and the client may try again', async (_, headers, code) => {
    await start();
    const response = await ask(headers);
    expect(response.statusCode).toBe(200);
    expect(fieldsOf(response)).toMatchObject({ 'auth-error-code': code, 'auth-wait': '3' });
    expect(response.headers['auth-status']).not.toBe('OK');
    expect(response.headers['auth-port']).toBeUndefined();
  });

  test('also where sessions speak LMTP', async () => {
    await start({ options: 'lmtp=yes upgrade=smtp nginx-auth=port=2525' });
    expect(fieldsOf(await ask(RIGHT))).toMatchObject({ 'auth-status': 'OK' });
    const session = await server.upgraded();
    await session.reply();
    expect(await session.say('LHLO c.example')).toMatch(/^250/);
  });

  test('after auth_failures attempts nobody is asked, and nginx ends the connection', async () => {
    await start({ config: { auth_failures: ['2'] } });
    const response = await ask({ ...RIGHT, 'Auth-Login-Attempt': '3' });
    expect(fieldsOf(response)).toEqual({
      'auth-status': 'Too many failed authentications',
      'auth-error-code': '421 4.7.0',
    });
    expect(seen).toEqual([]);
  });

  test('a connect hook that refuses the client refuses it here', async () => {
    const shut = definePlugin({
      name: 'shut',
      about: 'Shut.',
      hooks: { connect: () => deny('Go\u00e9 away') },
    });
    await start({ plugins: [shut, accounts] });
    expect(fieldsOf(await ask(RIGHT))).toMatchObject({
      'auth-error-code': expect.stringMatching(/^55\d 5\./) as unknown,
    });
    expect(seen).toEqual([]);
  });

  test('its password stands in no line of the log', async () => {
    await start({ config: { loglevel: ['7'], auth_delay: ['0'] } });
    await ask({ ...LOGIN, 'Auth-Pass': 'sesame-open' });
    const encoded = Buffer.from('\0ann@example.test\0sesame-open').toString('base64');
    expect(server.lines.length).toBeGreaterThan(3);
    expect(server.logged(/sesame/)).toBe(false);
    expect(server.lines.some(({ text }) => text.includes(encoded))).toBe(false);
  });

  test.each([
    ['another protocol', { 'Auth-Protocol': 'imap' }],
    ['a client without an address', { ...RIGHT, 'Client-IP': 'unix:' }],
  ])('%s is no question', async (_, headers) => {
    await start();
    expect((await ask(headers)).statusCode).toBe(400);
  });

  test('others than proxies may not ask', async () => {
    await start({ config: { http_proxies: ['192.0.2.1'] } });
    expect((await ask({})).statusCode).toBe(403);
  });

  test('with a token for it, the token decides', async () => {
    const token = 'f'.repeat(32);
    const other = 'e'.repeat(32);
    const tokens = [`${token} nginx-auth`, `${other} inject`];
    await start({ config: { http_tokens: tokens, http_proxies: ['192.0.2.1'] } });
    for (const [headers, status] of [
      [{ 'X-Auth-Key': token }, 200],
      [{ 'X-Auth-Key': other }, 403],
      [{ 'X-Auth-Key': token.slice(1) }, 403],
      [{}, 403],
    ] as const)
      expect((await ask(headers)).statusCode).toBe(status);
    // What `check` prints.
    const settings = server.server.generation.main.changedSettings();
    expect(settings.find(({ name }) => name === 'http_tokens')?.value).toBe('2 secrets');
    expect(JSON.stringify(settings)).not.toContain(token);
  });

  test('is not there where the listener does not say so', async () => {
    await start({ options: 'upgrade=smtp' });
    expect((await ask({})).statusCode).toBe(404);
  });
});
