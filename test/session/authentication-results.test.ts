/** Results for Authentication-Results live as long as what they speak of. RFC 8601 section 5: none may vouch for another message. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, deny, ok } from '../../bindings/plugin/index.ts';
import { TestServer, type TestClient } from '../../host/testing/index.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Each hook adds a result of its own name, with what it was asked about. */
function adding(fields: (string | undefined)[]) {
  const add = (method: string, value: string, connection: { addAuthenticationResult(text: string): void }) =>
    connection.addAuthenticationResult(`x-${method}=${value}`);
  return definePlugin({
    name: 'adding',
    about: 'Adds a result at each hook.',
    hooks: {
      connect: ({ connection }) => add('connect', 'pass', connection),
      helo: ({ connection }, host) => add('hello', host, connection),
      ehlo: ({ connection }, host) => {
        add('hello', host, connection);
        return host === 'bad' ? deny('not you') : undefined;
      },
      'auth-plain': ({ connection }, _, { user }) => {
        add('auth', user, connection);
        return ok();
      },
      mail: ({ connection }, { localPart }) => {
        add('mail', localPart, connection);
        return localPart === 'bad' ? deny('not you') : undefined;
      },
      rcpt: ({ connection }, { localPart }) => {
        add('rcpt', localPart, connection);
        return ok();
      },
      data_post_headers: ({ connection }) => add('data', 'pass', connection),
      data_post: ({ connection }) => add('late', 'pass', connection),
      queue: ({ transaction }) => {
        fields.push(transaction.message.header.get('Authentication-Results'));
        return ok('kept');
      },
    },
  });
}

async function start(): Promise<{ fields: (string | undefined)[]; client: TestClient }> {
  const fields: (string | undefined)[] = [];
  server = await TestServer.start({
    plugins: [adding(fields)],
    config: { helo_again: 'reset', tls_before_auth: '0' },
  });
  const client = server.connect();
  await client.reply();
  return { fields, client };
}

async function say(client: TestClient, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) await client.say(line);
}

const message = (from: string): readonly string[] => [
  `MAIL FROM:<${from}@c.example>`,
  'RCPT TO:<r@d.example>',
  'DATA',
  'Subject: x\r\n\r\nx\r\n.',
];

test('what was found before MAIL stands in every message, what was found since in this one', async () => {
  const { fields, client } = await start();
  await say(client, 'EHLO one', ...message('a'), ...message('b'));
  expect(fields).toEqual([
    'mx.test; auth=none; x-connect=pass; x-hello=one; x-mail=a; x-rcpt=r; x-data=pass',
    'mx.test; auth=none; x-connect=pass; x-hello=one; x-mail=b; x-rcpt=r; x-data=pass',
  ]);
});

test.each<[string, readonly string[]]>([
  ['RSET', ['RSET']],
  ['another MAIL', []],
  ['a refused MAIL', ['RSET', 'MAIL FROM:<bad@c.example>']],
])('%s drops what was found of the transaction', async (_, between) => {
  const { fields, client } = await start();
  await say(client, 'EHLO one', 'MAIL FROM:<good@c.example>', 'RCPT TO:<r@d.example>', ...between);
  await say(client, ...message('evil'));
  expect(fields[0]).toBe(
    'mx.test; auth=none; x-connect=pass; x-hello=one; x-mail=evil; x-rcpt=r; x-data=pass',
  );
});

test.each<[string, string, string]>([
  ['EHLO', 'EHLO two', 'x-hello=two; '],
  ['HELO', 'HELO two', 'x-hello=two; '],
  ['a refused EHLO', 'EHLO bad', ''],
])('%s drops the transaction, and what was found of the name before', async (_, line, hello) => {
  const { fields, client } = await start();
  await say(client, 'EHLO one', 'MAIL FROM:<good@c.example>', 'RCPT TO:<r@d.example>', line);
  await say(client, ...message('evil'));
  expect(fields[0]).toBe(`mx.test; auth=none; x-connect=pass; ${hello}x-mail=evil; x-rcpt=r; x-data=pass`);
});

test('those of the login outlive another EHLO', async () => {
  const { fields, client } = await start();
  const login = Buffer.from('\0joe\0secret').toString('base64');
  await say(client, 'EHLO one', `AUTH PLAIN ${login}`, 'EHLO two', ...message('a'));
  expect(fields[0]).toContain('smtp.auth=joe; x-connect=pass; x-hello=two; x-auth=joe; x-mail=a');
});
