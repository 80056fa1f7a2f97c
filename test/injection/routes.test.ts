/** Injections by HTTP, over real sockets, into real sessions. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, denySoft, ok } from '../../bindings/plugin/index.ts';
import { InjectingServer, OTHER_TOKEN, RELAY_TOKEN, TOKEN, type HttpAnswer } from './injecting-server.ts';

let server: InjectingServer;
const queued: { readonly to: readonly string[]; readonly content: string }[] = [];
let client: unknown;
let hold: Promise<void> | undefined;

afterEach(async () => {
  queued.length = 0;
  hold = undefined;
  await server.close();
});

const judge = definePlugin({
  name: 'judge',
  about: 'Judges by the local part: a number is the code of a refusal.',
  hooks: () => ({
    connect: ({ connection: { auth, relayClient, remoteIp } }) =>
      void (client = { auth, relayClient, remoteIp }),
    rcpt: (_, { localPart }) => {
      const code = Number(localPart);
      if (Number.isNaN(code)) return ok();
      return { ...(code < 500 ? denySoft('later') : deny('never')), replyCode: code };
    },
    queue: async ({ transaction: { recipients, message } }) => {
      await hold;
      const content = Buffer.concat([...(message.blocks('crlf') as Iterable<Buffer>)]).toString('latin1');
      queued.push({ to: recipients.map(({ address }) => String(address)), content });
      return ok('kept');
    },
  }),
});

const start = async (config = {}, options?: string): Promise<void> => {
  server = await InjectingServer.start([judge], config, options);
};

const kindOf = ({ body }: HttpAnswer): string => String(body['type']).replace('urn:qpsmtpd:problem:', '');
const GET = { method: 'GET' };
const PLAIN = { from: 'a@example.org', to: ['b@example.org'], raw: 'Subject: x\n\nx' };
const KUMO = {
  envelope_sender: 'a@example.org',
  content: 'Subject: x\n\nx',
  recipients: [{ email: 'b@example.org' }],
};

describe('the forms', () => {
  test('raw', async () => {
    await start();
    const answer = await server.raw('b@example.org&to=550@example.org');
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      reply: { code: 250, text: 'kept' },
      stage: 'end-of-data',
      accepted: ['b@example.org'],
      rejected: [{ to: '550@example.org', reply: { code: 550, text: 'never' }, stage: 'rcpt' }],
    });
    expect(queued[0]!.content).toMatch(
      /^Authentication-Results: mx\.test; auth=pass \(HTTP\) smtp\.auth=shop\r\nReceived: from Unknown \(HELO \[127\.0\.0\.1\]\) \(127\.0\.0\.1\)\r\n by mx\.test .* with ESMTPA ;/,
    );
    expect(queued[0]!.content).toMatch(/\r\nSubject: x\r\n\r\nx\r\n$/);
  });

  test('JSON, and base64 in it', async () => {
    await start();
    expect((await server.json(PLAIN)).status).toBe(202);
    const rawBase64 = Buffer.from('Subject: y\r\n\r\n\xff').toString('base64');
    expect((await server.json({ from: '', to: ['b@example.org'], rawBase64 })).status).toBe(202);
    expect(queued.map(({ content }) => /Subject[^]*/.exec(content)![0])).toEqual([
      'Subject: x\r\n\r\nx\r\n',
      'Subject: y\r\n\r\n\xc3\xbf\r\n',
    ]);
  });

  test("KumoMTA's", async () => {
    await start();
    const answer = await server.kumo({
      ...KUMO,
      recipients: [{ email: 'b@example.org' }, { email: '550@example.org' }],
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      success_count: 1,
      fail_count: 1,
      failed_recipients: ['550@example.org'],
      errors: ['550@example.org: 550 never'],
    });
  });

  test('a batch of a thousand recipients is one message', async () => {
    await start();
    const recipients = Array.from({ length: 1_000 }, (_, index) => ({ email: `u${index}@example.org` }));
    const answer = await server.kumo({ ...KUMO, recipients });
    expect(answer.body).toMatchObject({ success_count: 1_000, fail_count: 0 });
    expect(queued.map(({ to }) => to.length)).toEqual([1_000]);
  });

  test('on a listener whose clients speak LMTP', async () => {
    await start({}, 'inject=raw lmtp=yes');
    expect((await server.raw('b@example.org')).status).toBe(202);
  });

  test('from the client that a PROXY header names', async () => {
    await start({}, 'inject=raw proxy=required');
    const answer = await server.bare('b@example.org', ['PROXY TCP4 192.0.2.7 192.0.2.1 40000 80']);
    expect(answer).toMatch(/^HTTP\/1\.1 202 /);
    expect(client).toMatchObject({ remoteIp: '192.0.2.7' });
  });

  test('what the listener does not name is not there', async () => {
    await start({}, 'inject=raw');
    expect((await server.kumo(KUMO)).status).toBe(404);
    expect(await server.json(PLAIN)).toMatchObject({ status: 415, headers: { accept: 'message/rfc822' } });
  });
});

describe('the token', () => {
  test.each([
    ['', 401, 'unauthorized', 'Bearer realm="injection"'],
    ['a-token-that-is-wrong', 401, 'unauthorized', 'Bearer realm="injection", error="invalid_token"'],
    [OTHER_TOKEN, 403, 'forbidden', 'Bearer realm="injection", error="insufficient_scope", scope="inject"'],
  ])('"%s" is answered %i', async (token, status, kind, challenge) => {
    await start();
    const answer = await server.raw('b@example.org', 'x', { token });
    expect(answer).toMatchObject({ status, headers: { 'www-authenticate': challenge } });
    expect(kindOf(answer)).toBe(kind);
    expect(queued).toEqual([]);
  });

  test('is looked at before the body is read', async () => {
    await start();
    const body = new PassThrough();
    body.write('{');
    expect((await server.json(PLAIN, { token: '', body })).status).toBe(401);
  });

  test('names the client, and lets it relay if it says so', async () => {
    await start();
    await server.raw('b@example.org');
    expect(client).toEqual({
      auth: { user: 'shop', mechanism: 'HTTP' },
      relayClient: false,
      remoteIp: '127.0.0.1',
    });
    await server.raw('b@example.org', 'x', { token: RELAY_TOKEN });
    expect(client).toMatchObject({
      auth: { user: expect.stringMatching(/^token-[0-9a-f]{8}$/) as string },
      relayClient: true,
    });
  });
});

describe('bad requests', () => {
  test.each([
    ['no type', { type: undefined }, 415],
    ['another type', { type: 'text/plain' }, 415],
    ['an encoding', { headers: { 'content-encoding': 'gzip' } }, 415],
    ['a bad key', { headers: { 'idempotency-key': '""' } }, 400],
  ])('%s', async (_, more, status) => {
    await start();
    const answer = await server.raw('b@example.org', 'x', more);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  test.each(['{', '[]', '"x"', '\u0000', Buffer.from([0x22, 0xff, 0x22])])('JSON %j', async (body) => {
    await start();
    expect(await server.json(PLAIN, { body })).toMatchObject({
      status: 400,
      body: { title: 'The request is malformed' },
    });
  });

  test('two tokens: a server in front may have looked at the other', async () => {
    await start();
    const twice = await server.bare('b@example.org', [], ['Authorization: Bearer x']);
    expect(twice).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('a proxy that names no client', async () => {
    await start({ http_proxies: '127.0.0.1' });
    expect((await server.raw('b@example.org')).status).toBe(400);
  });

  test('a body that is larger than may be, announced or not', async () => {
    await start({ http_body_limit: '1000' });
    const body = { ...PLAIN, raw: 'x'.repeat(1_000) };
    expect(await server.json(body)).toMatchObject({ status: 413, headers: { connection: 'close' } });
    const chunked = new PassThrough();
    chunked.end(JSON.stringify(body));
    expect((await server.json(body, { body: chunked })).status).toBe(413);
    expect((await server.json(PLAIN)).status).toBe(202);
  });

  test('more of them than there is memory for, until the others are through', async () => {
    await start({ http_body_limit: '1000' });
    const held = [new PassThrough(), new PassThrough()];
    const first = held.map((body) => {
      body.write(' ');
      return server.json(PLAIN, { body });
    });
    await expect.poll(async () => (await server.json(PLAIN)).status).toBe(503);
    const busy = await server.json(PLAIN);
    expect(kindOf(busy)).toBe('busy');
    expect(busy.headers['retry-after']).toBe('5');
    for (const body of held) body.end(JSON.stringify(PLAIN));
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([202, 202]);
    expect((await server.json(PLAIN)).status).toBe(202);
  });

  test('bodies that were sent ahead by a client that is gone take no memory any more', async () => {
    await start({ http_body_limit: '1000' });
    const body = JSON.stringify({ ...PLAIN, raw: 'x'.repeat(900) });
    const request = [
      'POST /messages HTTP/1.1',
      'Host: mx.test',
      `Authorization: Bearer ${TOKEN}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n');
    for (const round of [1, 2, 3]) {
      let release: () => void = () => undefined;
      hold = new Promise((resolve) => (release = resolve));
      const socket = connect({ port: server.port, host: '127.0.0.1' });
      socket.write(request + request);
      await expect.poll(() => server.server.sessions, { message: `round ${round}` }).toBe(2);
      socket.destroy();
      await once(socket, 'close');
      // What came later is answered, so the end of the connection was seen.
      for (const turn of [1, 2])
        expect([turn, (await server.ask('/healthz', GET)).status]).toEqual([turn, 200]);
      release();
      await expect.poll(() => server.server.sessions).toBe(0);
    }
    await expect.poll(async () => (await server.json(PLAIN)).status).toBe(202);
  });

  test('a client that goes in the middle of its message leaves nothing behind', async () => {
    await start();
    const body = new PassThrough();
    body.write('Subject: x\r\n\r\n');
    const asked = server.raw('b@example.org', body);
    await expect.poll(() => server.server.sessions).toBe(1);
    body.destroy(new Error('gone'));
    await expect(asked).rejects.toThrow();
    await expect.poll(() => server.server.sessions).toBe(0);
    expect(queued).toEqual([]);
  });
});

describe('an idempotency key', () => {
  const key = { headers: { 'idempotency-key': '"order-1"' } };

  test.each(['raw', 'json', 'kumo'] as const)(
    'the second request gets the first answer (%s)',
    async (form) => {
      await start();
      const send = (): Promise<HttpAnswer> => {
        if (form === 'raw') return server.raw('b@example.org', undefined, key);
        return form === 'json' ? server.json(PLAIN, key) : server.kumo(KUMO, key);
      };
      const first = await send();
      const second = await send();
      expect(queued).toHaveLength(1);
      expect(second).toMatchObject({ status: first.status, body: first.body });
      expect(first.headers['idempotency-replayed']).toBeUndefined();
      expect(second.headers['idempotency-replayed']).toBe('true');
    },
  );

  test('with another body, envelope or path it is refused', async () => {
    await start();
    await server.raw('b@example.org', undefined, key);
    const others = [
      await server.raw('b@example.org', 'Subject: y\n\nx', key),
      await server.raw('c@example.org', undefined, key),
      await server.json(PLAIN, key),
    ];
    expect(others.map((answer) => [answer.status, kindOf(answer)])).toEqual(
      others.map(() => [422, 'key-reused']),
    );
    expect((await server.raw('c@example.org', undefined, { ...key, token: RELAY_TOKEN })).status).toBe(202);
    expect(queued).toHaveLength(2);
  });

  test('while the first is under way, others come back later', async () => {
    await start();
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const first = server.json(PLAIN, key);
    await expect.poll(() => server.server.sessions).toBe(1);
    const second = await server.json(PLAIN, key);
    expect([second.status, kindOf(second), second.headers['retry-after']]).toEqual([409, 'in-progress', '5']);
    release();
    expect((await first).status).toBe(202);
    expect(queued).toHaveLength(1);
  });

  test('what was deferred is tried again, what was refused is not', async () => {
    await start();
    const deferred = { headers: { 'idempotency-key': 'a' } };
    expect(
      (await server.raw('450@example.org', undefined, deferred)).headers['idempotency-replayed'],
    ).toBeUndefined();
    expect(
      (await server.raw('450@example.org', undefined, deferred)).headers['idempotency-replayed'],
    ).toBeUndefined();
    const refused = { headers: { 'idempotency-key': 'b' } };
    await server.raw('550@example.org', undefined, refused);
    const again = await server.raw('550@example.org', undefined, refused);
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([422, 'true']);
  });

  test('without the store there is no promise, and no message', async () => {
    await start();
    server.stores.fail();
    expect(await server.json(PLAIN, key)).toMatchObject({ status: 503, headers: { 'retry-after': '60' } });
    expect((await server.json(PLAIN)).status).toBe(202);
    expect(queued).toHaveLength(1);
  });
});

describe('at the start', () => {
  test.each([['# none yet'], [`${'x'.repeat(20)} nginx-auth`]])(
    'a listener without a token for it is refused (%j)',
    async (tokens) => {
      const started = InjectingServer.start([judge], { http_tokens: tokens });
      await expect(started).rejects.toThrow(
        /http_tokens: a listener is for clients with a token, and none has the scope inject \(add a line "TOKEN inject"; `openssl/,
      );
      // For the end of the test.
      await start();
    },
  );
});
