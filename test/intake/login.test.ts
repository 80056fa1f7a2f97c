/** A front that knows who its client is says so before the dialogue begins. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/test-server.ts';

let server: TestServer;
const seen: unknown[] = [];
let received = '';

const look = definePlugin({
  name: 'look',
  about: 'Looks at the client.',
  hooks: () => ({
    connect: ({ connection: { auth, relayClient } }) => void seen.push({ auth, relayClient }),
    rcpt: () => ok(),
    'auth-plain': () => ok(),
    queue: ({ transaction }) => {
      received = transaction.message.header.get('Received') ?? '';
      return ok();
    },
  }),
});

afterEach(async () => {
  seen.length = 0;
  await server.close();
});

test.each([true, false])(
  'the login is that of the session from the first hook on (relays: %s)',
  async (mayRelay) => {
    server = await TestServer.start({ plugins: [look] });
    const login = { user: 'shop', mechanism: 'HTTP', mayRelay };
    const client = await server.greeted({ login });
    expect(seen).toEqual([{ auth: { user: 'shop', mechanism: 'HTTP' }, relayClient: mayRelay }]);
    expect(await client.say('AUTH PLAIN AGEAYg==')).toMatch(/^503/);
    for (const line of ['MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.org>', 'DATA'])
      await client.say(line);
    await client.say('Subject: x\r\n\r\n.');
    expect(received).toMatch(/ with ESMTPA /);
  },
);

test('XCLIENT makes another client of it, that is not known', async () => {
  server = await TestServer.start({ plugins: [look], config: { xclient_hosts: '127.0.0.1' } });
  const client = await server.greeted({ login: { user: 'shop', mechanism: 'HTTP', mayRelay: true } });
  await client.say('XCLIENT ADDR=192.0.2.1');
  expect(seen[1]).toEqual({ auth: undefined, relayClient: false });
});
