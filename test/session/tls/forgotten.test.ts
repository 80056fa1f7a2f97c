/** What a handshake makes the session forget, and where a connection begins with one. */

import { expect, test } from 'vitest';
import { connectionNote } from '../../../bindings/plugin/index.ts';
import type { IncomingConnection } from '../../../host/intake/incoming-connection.ts';
import type { TlsOptions } from '../../../host/tls/tls-layer.ts';
import {
  ConnectionFacts,
  type ResultLifetime,
  type ResultTimes,
} from '../../../host/session/connection-facts.ts';
import type { Session } from '../../../host/session/session.ts';
import { startsWithTls } from '../../../host/session/starttls.ts';

const peer = { address: '192.0.2.1', port: 4_000 };
const intake = {
  peer,
  remote: peer,
  local: { address: '192.0.2.25', port: 25 },
  hops: ['tcp'],
} as Partial<IncomingConnection>;

function facts(times?: ResultTimes): ConnectionFacts {
  return new ConnectionFacts('c1', { ...intake } as IncomingConnection, times);
}

/** With a result of each lifetime, named after it. */
function withResults(): ConnectionFacts {
  const times: { resultLifetime: ResultLifetime } = { resultLifetime: 'connection' };
  const client = facts(times);
  for (const lifetime of ['transaction', 'login', 'hello', 'connection'] as const) {
    times.resultLifetime = lifetime;
    client.addAuthenticationResult(lifetime);
  }
  return client;
}

test('what was found of the name that the client gave in the clear, and of its login, is forgotten', () => {
  const client = withResults();
  expect(client.authenticationResults).toEqual(['connection', 'hello', 'login', 'transaction']);
  client.forgetClient();
  expect(client.authenticationResults).toEqual(['connection', 'transaction']);
});

test('a client that a PROXY line names has none of the results of the proxy', () => {
  const client = withResults();
  client.takeClient({ ip: '192.0.2.77', port: 4_000, host: undefined });
  expect(client.authenticationResults).toEqual([]);
});

test('hello, login and the right to relay that came with it are forgotten (RFC 3207 section 4.2)', () => {
  const client = facts();
  client.hello = 'ehlo';
  client.helloHost = 'c.example';
  client.auth = { user: 'u', mechanism: 'PLAIN' };
  client.relayClient = true;
  client.forgetClient();
  expect(client).toMatchObject({
    hello: undefined,
    helloHost: undefined,
    auth: undefined,
    relayClient: false,
  });
});

test('what the address gave, and what plugins have noted, is kept', () => {
  const client = facts();
  const note = connectionNote<string>('note');
  client.relayClient = true;
  client.notes.set(note, 'kept');
  client.forgetClient();
  expect(client.relayClient).toBe(true);
  expect(client.notes.get(note)).toBe('kept');
});

test.each([
  [465, undefined, true, true],
  [465, false, true, false],
  [25, undefined, true, false],
  [25, true, true, true],
  [465, undefined, false, false],
])(
  'port %d, tls=implicit %s, certificate %s: begins with TLS %s',
  (port, asked, hasCertificate, expected) => {
    const session = {
      intake: { ...intake, local: { address: '::', port }, listener: { startsWithTls: asked } },
      host: { tls: hasCertificate ? ({} as TlsOptions) : undefined },
    };
    expect(startsWithTls(session as unknown as Session)).toBe(expected);
  },
);
