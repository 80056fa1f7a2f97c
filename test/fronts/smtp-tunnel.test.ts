import { afterEach, describe, expect, test } from 'vitest';
import { HttpServer, request, type HttpServerOptions } from './http-server.ts';

let server: HttpServer;
afterEach(() => server.close());

async function start(more: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  return (server = await HttpServer.start({ options: 'upgrade=smtp', ...more }));
}

describe('Upgrade: smtp', () => {
  test('both fields come back, and the banner follows at once', async () => {
    await start();
    const socket = server.connect();
    let text = '';
    const greeted = new Promise<void>((resolve) =>
      socket.on('data', (octets: Buffer) => {
        text += octets.toString('latin1');
        if (/\n220 .*\r\n$/.test(text)) resolve();
      }),
    );
    socket.write(request('/smtp', ['Upgrade: smtp']));
    await greeted;
    expect(text).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: smtp\r\n\r\n220 mx\.test ESMTP/,
    );
  });

  test('a whole session, as over a socket of its own', async () => {
    await start();
    const client = await server.upgraded();
    expect(await client.reply()).toMatch(/^220 mx\.test/);
    expect(await client.say('EHLO c.example')).toMatch(/^250-mx\.test/);
    expect(await client.say('MAIL FROM:<a@c.example>')).toMatch(/^250/);
    expect(await client.say('QUIT')).toMatch(/^221/);
    expect(await client.isClosed()).toBe(true);
  });

  test('what comes behind the request is early input, as on a socket', async () => {
    await start({ plugins: ['earlytalker wait 1'] });
    const text = await server.answer(`${request('/smtp', ['Upgrade: smtp'])}EHLO c.example\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\n550 /);
  });

  test.each([
    ['a plain request', 'GET /smtp HTTP/1.1\r\nHost: mx.test\r\nConnection: close\r\n\r\n', 426],
    ['another protocol', request('/smtp', ['Upgrade: websocket', 'Connection: close']), 426],
    ['HTTP/1.0', request('/smtp', ['Upgrade: smtp']).replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['content', `${request('/smtp', ['Upgrade: smtp', 'Content-Length: 5'])}hello`, 400],
    [
      'content in chunks',
      `${request('/smtp', ['Upgrade: smtp', 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
      400,
    ],
    ['another method', request('/smtp', ['Upgrade: smtp'], 'POST'), 405],
    ['a request behind it', `${request('/smtp', ['Upgrade: smtp'])}${request('/healthz')}`, 400],
    ['no host', request('/smtp', ['Upgrade: smtp']).replace('Host: mx.test\r\n', ''), 400],
    ['two hosts', request('/smtp', ['Upgrade: smtp', 'Host: other.test']), 400],
    ['a host that is none', request('/smtp', ['Upgrade: smtp']).replace('mx.test', 'a b/c'), 400],
    ['another path', request('/other', ['Upgrade: smtp', 'Connection: close']), 404],
    ['CONNECT', 'CONNECT mx.test:25 HTTP/1.1\r\nHost: mx.test:25\r\n\r\n', 405],
    ['too many fields', request('/smtp', ['Upgrade: smtp', ...Array<string>(120).fill('A: b')]), 431],
    ['too large a field', request('/smtp', ['Upgrade: smtp', `A: ${'b'.repeat(20_000)}`]), 431],
    ['what is no HTTP', 'EHLO c.example\r\n\r\n', 400],
  ])('%s is refused', async (_, octets, status) => {
    await start();
    const text = await server.answer(octets);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(/^Content-Type: application\/problem\+json/im);
    if (status === 426) expect(text).toMatch(/^Upgrade: smtp\r$/im);
    expect(text).not.toMatch(/^220 /m);
    expect(server.server.sessions).toBe(0);
  });

  test('a wish for HTTP/2 changes nothing, for requests with content neither', async () => {
    await start();
    const wish = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'Connection: HTTP2-Settings, close'];
    expect(await server.answer(request('/healthz', wish))).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\nok\n$/);
    const post = request('/healthz', [...wish, 'Content-Length: 5'], 'POST');
    expect(await server.answer(`${post}hello`)).toMatch(/^HTTP\/1\.1 404 /);
    const twice = request('/healthz', wish.slice(0, 2)) + request('/healthz', wish);
    expect((await server.answer(twice)).match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
  });

  test('behind a request that is not answered yet it is refused, after that answer', async () => {
    await start();
    const text = await server.answer(
      `GET /healthz HTTP/1.1\r\nHost: mx.test\r\n\r\n${request('/smtp', ['Upgrade: smtp'])}`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[^]*\r\nok\nHTTP\/1\.1 400 Bad Request/);
  });
});
