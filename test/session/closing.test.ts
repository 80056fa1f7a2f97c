/** How connections end on real sockets: a client that is through is let go at once, and none loses its last reply. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';

let server: Server | undefined;
const clients: Socket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server?.drain(0);
});

/** What a client reads that never closes its side by itself, and how the server took leave of it. */
async function talk(words: string): Promise<{ readonly text: string; readonly end: 'closed' | 'reset' }> {
  const overlay = new Map([
    ['me', ['mx.test']],
    ['plugins', []],
  ]);
  const acceptors = [new SocketAcceptor(parseListen('tcp://127.0.0.1:0'))];
  server = await Server.load({ acceptors, directories: [], overlay, reverseLookup: noReverseLookup });
  const [address = ''] = await server.listen();
  const client = connect({ port: Number(address.split(':').at(-1)), host: '127.0.0.1', allowHalfOpen: true });
  clients.push(client);
  let text = '';
  client.setEncoding('latin1').on('data', (piece: string) => (text += piece));
  const ended = new Promise<'closed' | 'reset'>((resolve) => {
    client.once('end', () => resolve('closed')).once('error', () => resolve('reset'));
  });
  await once(client, 'data');
  client.write(words);
  return { end: await ended, text };
}

/** Resolves once no session is left; the test's own time limit ends a wait in vain. */
async function everybodyGone(): Promise<void> {
  while (server!.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('after QUIT nobody waits for the client to close its side', async () => {
  const { text, end } = await talk('EHLO client.example\r\nQUIT\r\n');
  expect(text).toMatch(/221 mx\.test closing connection\. Have a wonderful day\.\r\n$/);
  expect(end).toBe('closed');
  // The clock stands still: no time limit can have ended the session.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  await everybodyGone();
  vi.restoreAllMocks();
});

test('octets after QUIT do not cost the client its last reply', async () => {
  const { text, end } = await talk(`QUIT\r\n${'x'.repeat(200_000)}`);
  expect(text).toMatch(/221 .*\r\n$/);
  expect(end).toBe('closed');
});
