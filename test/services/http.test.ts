/** The client for web servers, against servers on loopback. */

import type { Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  HttpError,
  type HttpClientOptions,
  type HttpRequest,
  type HttpResponse,
} from '../../bindings/plugin/http.ts';
import { webClient } from '../../host/http/web-client.ts';
import { tcpServer, webServer, type Answer } from '../delivery/web-server.ts';
import { PATIENCE_MS } from '../patience.ts';
import { makePair } from '../tls/secure-server.ts';

type Asked = Partial<HttpRequest & HttpClientOptions>;

const get = (url: string, more: Asked = {}): Promise<HttpResponse> =>
  webClient.request({ method: 'GET', url, timeoutMs: PATIENCE_MS, maxOctets: 1_000, ...more });

/** Kind of the fault, and whether the server may have had the request. */
async function faultOf(answer: Promise<HttpResponse>): Promise<readonly [string, boolean]> {
  const fault: unknown = await answer.then(
    ({ status }) => `answered ${status}`,
    (cause: unknown) => cause,
  );
  if (!(fault instanceof HttpError)) throw fault;
  return [fault.kind, fault.mayBeTaken];
}

const local = (port: number): string => `http://127.0.0.1:${port}/`;

/** One more part every few milliseconds, without end. */
function drip(socket: Socket, head: string, part: string): void {
  socket.write(head);
  const timer = setInterval(() => socket.write(part), 20);
  socket.once('close', () => clearInterval(timer));
}

describe('an answer', () => {
  test('has status, fields and body; the request goes as it was given', async () => {
    const server = await webServer((response) =>
      response.writeHead(201, 'Made', { 'x-a': ['1', '2'], 'Set-Cookie': ['a=1', 'b=2'] }).end('fine'),
    );
    const url = server.url.replace('http://', 'http://u:p@');
    const answer = await get(url, {
      method: 'PUT',
      headers: { 'X-Many': ['a', 'b'] },
      body: Buffer.from('x'.repeat(100_000)),
    });
    expect([answer.status, answer.statusText, String(answer.body)]).toEqual([201, 'Made', 'fine']);
    expect([answer.headers['x-a'], answer.headers['set-cookie']]).toEqual(['1, 2', 'a=1, b=2']);
    expect([answer.fault, answer.isToAll]).toEqual([undefined, true]);
    const [seen] = server.seen;
    expect(seen!.octets.length).toBe(100_000);
    expect(seen!.headers).toMatchObject({ 'content-length': '100000', 'x-many': 'a, b' });
    expect(seen!.headers.authorization).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`);
  });

  test('that is too large is an error, or cut', async () => {
    const server = await webServer((response) => response.end('x'.repeat(100_000)));
    expect((await get(server.url, { maxOctets: 100_000 })).body.length).toBe(100_000);
    expect(await faultOf(get(server.url, { maxOctets: 99_999 }))).toEqual(['too large', true]);
    const cut = await get(server.url, { maxOctets: 10, isPartEnough: true });
    expect([cut.body.length, cut.fault?.kind]).toEqual([10, 'too large']);
  });

  test('of the right size after which the server goes on is no reason to wait', async () => {
    const port = await tcpServer((socket) => drip(socket, 'HTTP/1.1 200 OK\r\n\r\n0123456789', 'more'));
    const cut = await get(local(port), { maxOctets: 10, isPartEnough: true });
    expect([String(cut.body), cut.fault?.kind]).toEqual(['0123456789', 'too large']);
  });
});

describe('a server that', () => {
  test.each([
    ['closes at once', (socket: Socket) => socket.destroy(), ['broken', true]],
    ['resets', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()), ['broken', true]],
    ['speaks something else', (socket: Socket) => socket.end('220 mx ESMTP\r\n'), ['broken', true]],
    [
      'breaks off',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
      ['broken', true],
    ],
    [
      'sends fields without end',
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}`),
      ['broken', true],
    ],
    ['is silent', () => undefined, ['timeout', true]],
    [
      'drips its header',
      (socket: Socket) => drip(socket, 'HTTP/1.1 200 OK\r\n', 'A: b\r\n'),
      ['timeout', true],
    ],
    [
      'drips its body',
      (socket: Socket) => drip(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n', 'x'),
      ['timeout', true],
    ],
    [
      'never gets to its answer',
      (socket: Socket) => drip(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n'),
      ['timeout', true],
    ],
  ] as const)('%s', async (_what, serve, fault) => {
    const port = await tcpServer((socket) => void serve(socket));
    expect(await faultOf(get(local(port), { timeoutMs: 500 }))).toEqual(fault);
  });

  test('stands still in the middle has the time for a pause, not the whole time', async () => {
    const port = await tcpServer((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'));
    expect(await faultOf(get(local(port), { idleTimeoutMs: 200 }))).toEqual(['timeout', true]);
    const part = await get(local(port), { idleTimeoutMs: 200, isPartEnough: true });
    expect([String(part.body), part.fault?.kind]).toEqual(['x', 'timeout']);
  });

  test('reads slowly, but reads, is no reason for a timeout', async () => {
    const server = await tcpServer((socket) => {
      let left = 1_000_000;
      socket.on('data', (block: Buffer) => {
        socket.pause();
        setTimeout(() => socket.resume(), 20);
        if ((left -= block.length) <= 0) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const body = Buffer.alloc(1_000_000);
    const answer = await get(local(server), { method: 'POST', body, idleTimeoutMs: PATIENCE_MS / 2 });
    expect([answer.status, answer.isToAll]).toEqual([200, true]);
  });

  test('is not there', async () => {
    expect(await faultOf(get('http://127.0.0.1:1/'))).toEqual(['not connected', false]);
    expect(await faultOf(get('http://nowhere.invalid/'))).toEqual(['not connected', false]);
  });

  test('answers early is heard; the rest is not sent', async () => {
    const port = await tcpServer((socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const body = function* (): Generator<Buffer> {
      for (let count = 0; count < 1_000; count++) yield Buffer.alloc(65_536);
    };
    const answer = await get(local(port), { method: 'POST', body });
    expect([answer.status, answer.isToAll]).toEqual([413, false]);
  });
});

describe('a request', () => {
  test('ends with the signal, before and after it has begun', async () => {
    const controller = new AbortController();
    const port = await tcpServer((socket) => socket.once('data', () => controller.abort()));
    const { signal } = controller;
    expect(await faultOf(get(local(port), { signal }))).toEqual(['stopped', true]);
    expect(await faultOf(get(local(port), { signal }))).toEqual(['stopped', false]);
  });

  test('whose body can not be read fails as that', async () => {
    const server = await webServer();
    const body = function* (): Generator<Buffer> {
      yield Buffer.from('x');
      throw new Error('gone');
    };
    expect((await faultOf(get(server.url, { method: 'POST', body })))[0]).toBe('body');
    expect(server.seen).toEqual([]);
  });

  test('with a line end in a field, or for another scheme, is a fault of the caller', async () => {
    const server = await webServer();
    await expect(get(server.url, { headers: { a: 'b\r\nc: d' } })).rejects.toThrow(TypeError);
    await expect(get('file:///etc/passwd')).rejects.toThrow('only http: and https:');
  });
});

describe('redirects', () => {
  const leadingTo =
    (location: (path: string) => string, status = 302): Answer =>
    (response, { path }) => {
      const target = location(path);
      if (target === '') response.end(path);
      else response.writeHead(status, { location: target }).end();
    };

  test('are answers unless they are wanted, and have a limit', async () => {
    const server = await webServer(
      leadingTo((path) =>
        path === '/inbound' ? '3' : path === '/0' ? '' : String(Number(path.slice(1)) - 1),
      ),
    );
    expect((await get(server.url)).status).toBe(302);
    expect(String((await get(server.url, { maxRedirects: 4 })).body)).toBe('/0');
    expect(await faultOf(get(server.url, { maxRedirects: 3 }))).toEqual(['redirect', true]);
    expect(server.seen).toHaveLength(1 + 5 + 4);
  });

  test('without end take the time of one request', async () => {
    const server = await webServer((response) =>
      setTimeout(() => response.writeHead(302, { location: '/again' }).end(), 20),
    );
    const fault = await faultOf(get(server.url, { maxRedirects: 1_000_000, timeoutMs: 500 }));
    // Whether the last of them was on its way by then is not for a test to say.
    expect(fault).toEqual(['timeout', expect.any(Boolean)]);
  });

  test('carry no credentials to another server, and all fields to the same', async () => {
    const other = await webServer();
    const server = await webServer(leadingTo((path) => (path === '/inbound' ? '/here' : other.url)));
    const headers = { Authorization: 'Basic eA==', Cookie: 'a=b', 'X-Api-Key': 'k', Accept: 'text/plain' };
    await get(server.url.replace('//', '//user:pass@'), { headers, maxRedirects: 5 });
    expect(server.seen.map((seen) => [seen.path, seen.headers['x-api-key']])).toEqual([
      ['/inbound', 'k'],
      ['/here', 'k'],
    ]);
    expect(Object.keys(other.seen[0]!.headers).sort()).toEqual(['accept', 'connection', 'host']);
  });

  test('keep a body where the status says so, never for another server', async () => {
    const other = await webServer();
    const body = Buffer.from('mail');
    const server = await webServer((response, { path }) => {
      const [, status = '200', to = ''] = /^\/(\d+)-(\w+)/.exec(path) ?? [];
      response
        .writeHead(Number(status), to === '' ? {} : { location: to === 'here' ? '/end' : other.url })
        .end();
    });
    const post = async (path: string): Promise<unknown> => {
      const url = new URL(path, server.url);
      return get(String(url), { method: 'POST', body, maxRedirects: 2 });
    };
    await post('/307-here');
    await post('/303-here');
    await post('/303-there');
    await expect(post('/307-there')).rejects.toMatchObject({ kind: 'redirect' });
    expect(server.seen.filter(({ path }) => path === '/end').map(({ octets }) => String(octets))).toEqual([
      'mail',
      '',
    ]);
    expect(other.seen.map(({ octets }) => String(octets))).toEqual(['']);
  });

  test('do not lead from https to http, or to what is no web server', async () => {
    const pair = makePair('127.0.0.1');
    const plain = await webServer();
    const tls = { authorities: pair.certificate };
    for (const target of [plain.url, 'file:///etc/passwd', 'http://']) {
      const server = await webServer(
        leadingTo(() => target),
        pair,
      );
      expect(await faultOf(get(server.url, { tls, maxRedirects: 2 }))).toEqual(['redirect', true]);
    }
    expect(plain.seen).toEqual([]);
  });
});

describe('TLS', () => {
  test('is verified: authority, name, version', async () => {
    const [here, other] = [makePair('127.0.0.1'), makePair('elsewhere.example')];
    const server = await webServer(undefined, here);
    const misnamed = await webServer(undefined, other);
    expect(await faultOf(get(server.url))).toEqual(['tls', false]);
    expect((await get(server.url, { tls: { authorities: here.certificate } })).status).toBe(200);
    const tls = { authorities: other.certificate };
    expect(await faultOf(get(misnamed.url, { tls }))).toEqual(['tls', false]);
    expect((await get(misnamed.url, { tls: { ...tls, serverName: 'elsewhere.example' } })).status).toBe(200);
    const port = await tcpServer((socket) => socket.end('220 mx ESMTP\r\n'));
    expect(await faultOf(get(`https://127.0.0.1:${port}/`))).toEqual(['tls', false]);
    expect([server.seen.length, misnamed.seen.length]).toEqual([1, 1]);
  });

  test('is checked for the host of the URL, whatever field Host and addresses say', async () => {
    const pair = makePair('policy.example');
    const server = await webServer(undefined, pair);
    const asked: string[] = [];
    const ask = (host: string, more: Asked = {}): Promise<HttpResponse> =>
      get(`https://${host}:${server.port}/`, {
        tls: { authorities: pair.certificate },
        headers: { host: 'policy.example' },
        addresses: (name) => [asked.push(name) > 0 ? '127.0.0.1' : ''],
        ...more,
      });
    expect((await ask('policy.example')).status).toBe(200);
    expect(await faultOf(ask('other.example'))).toEqual(['tls', false]);
    expect(asked).toEqual(['policy.example', 'other.example']);
    expect(server.seen[0]!.headers.host).toBe('policy.example');
    const nameProblem = (certificate: Buffer, name: string): string => `${certificate.length > 0} no ${name}`;
    const strict = ask('policy.example', { tls: { authorities: pair.certificate, nameProblem } });
    await expect(strict).rejects.toMatchObject({ kind: 'tls', message: 'true no policy.example' });
  });
});

describe('addresses', () => {
  test('that are refused are not connected to, by name, as an address, or after a redirect', async () => {
    const server = await webServer();
    const { port } = server;
    const addresses = (host: string): readonly string[] => (host === 'here.example' ? ['127.0.0.1'] : []);
    expect((await get(`http://here.example:${port}/`, { addresses })).status).toBe(200);
    expect(await faultOf(get(`http://there.example:${port}/`, { addresses }))).toEqual([
      'not connected',
      false,
    ]);
    expect(await faultOf(get(server.url, { addresses }))).toEqual(['not connected', false]);
    const refusing = (): never => {
      throw new Error('mine');
    };
    await expect(get(server.url, { addresses: refusing })).rejects.toMatchObject({ message: 'mine' });
    const leading = await webServer((response) => response.writeHead(302, { location: server.url }).end());
    const start = `http://here.example:${leading.port}/`;
    expect(await faultOf(get(start, { addresses, maxRedirects: 1 }))).toEqual(['not connected', false]);
    expect(server.seen).toHaveLength(1);
  });

  test('that are late cost no more than the time for the request', async () => {
    const never = (): Promise<string[]> => new Promise(() => undefined);
    for (const url of ['http://slow.example/', 'http://127.0.0.1:1/'])
      expect(await faultOf(get(url, { addresses: never, timeoutMs: 200 }))).toEqual(['timeout', false]);
    const connecting = get('http://slow.example/', { addresses: never, connectTimeoutMs: 200 });
    expect(await faultOf(connecting)).toEqual(['not connected', false]);
  });
});

describe('a client', () => {
  const clientOf = (maxConnections: number): ReturnType<typeof webClient.client> => {
    const client = webClient.client({ maxConnections });
    onTestFinished(() => client.close());
    return client;
  };
  const ask = (client: ReturnType<typeof clientOf>, url: string, more: Asked = {}): Promise<HttpResponse> =>
    client.request({ method: 'GET', url, timeoutMs: PATIENCE_MS, maxOctets: 1_000, ...more });

  test('has so many connections and no more, keeps them, and closes them', async () => {
    let open = 0;
    let most = 0;
    const server = await webServer((response) => {
      most = Math.max(most, ++open);
      setTimeout(() => response.end('x', () => open--), 20);
    });
    const client = clientOf(2);
    await Promise.all(Array.from({ length: 6 }, () => ask(client, server.url)));
    expect([server.connections, most]).toEqual([2, 2]);
    await ask(client, server.url);
    expect(server.connections).toBe(2);
    client.close();
    await ask(client, server.url);
    await ask(client, server.url);
    expect(server.connections).toBe(4);
  });

  test('asks again, once, where a kept connection was closed; only what may be repeated', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    const port = await tcpServer((socket, count) => {
      let requests = 0;
      socket.on('data', () => {
        // The first connection answers once, and resets with the second request.
        if (count % 2 === 0 && ++requests > 1) socket.resetAndDestroy();
        else socket.write(answer);
      });
    });
    const client = clientOf(1);
    await ask(client, local(port));
    expect((await ask(client, local(port))).status).toBe(200);
    const other = clientOf(1);
    await ask(other, local(port));
    const post = ask(other, local(port), { method: 'POST' });
    expect(await faultOf(post)).toEqual(['broken', true]);
  });
});

describe('text', () => {
  test('is a document, follows redirects, and tells why there is none', async () => {
    const server = await webServer((response, { path }) => {
      if (path === '/inbound') response.writeHead(302, { location: '/text' }).end();
      else if (path === '/text') response.end('grün');
      else response.writeHead(Number(path.slice(1))).end('x'.repeat(5_000));
    });
    const text = (path: string, maxOctets = 1_000): Promise<string | undefined> =>
      webClient.text(String(new URL(path, server.url)), { timeoutMs: PATIENCE_MS, maxOctets });
    expect(await text('/inbound')).toBe('grün');
    expect([await text('/404'), await text('/410')]).toEqual([undefined, undefined]);
    await expect(text('/503')).rejects.toThrow('answered 503 Service Unavailable');
    await expect(text('/text', 4)).rejects.toThrow('more than 4 octets');
  });
});
