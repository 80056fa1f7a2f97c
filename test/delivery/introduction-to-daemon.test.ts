/** Our own daemon as the next hop that takes XCLIENT, behind smtp-forward and behind cut-through. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestServer } from '../../host/testing/test-server.ts';

let ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(ends.map((end) => end()));
  ends = [];
});

/** Who the hop takes its clients for, and which port it has. */
async function startHop(): Promise<{ clients: string[]; port: string }> {
  const clients: string[] = [];
  const keep = definePlugin({
    name: 'keep',
    about: 'Notes who the client is.',
    hooks: {
      queue({ connection: { remoteIp, remotePort } }) {
        clients.push(`${remoteIp} ${remotePort}`);
        return ok('kept');
      },
    },
  });
  const hop = await Server.load({
    acceptors: [new SocketAcceptor(parseListen('tcp://127.0.0.1:0'))],
    directories: [],
    overlay: new Map([
      ['me', ['hop.test']],
      ['plugins', ['rcpt_ok', 'keep']],
      ['rcpthosts', ['d.example']],
      ['xclient_hosts', ['127.0.0.1']],
    ]),
    definitions: [keep],
    reverseLookup: noReverseLookup,
  });
  const [address = ''] = await hop.listen();
  ends.push(() => hop.drain(0));
  return { clients, port: /:(\d+)$/.exec(address)![1]! };
}

test.each(['queue/smtp-forward', 'queue/cut-through'])('%s: each client is himself', async (plugin) => {
  const { clients, port } = await startHop();
  const server = await TestServer.start({
    plugins: ['rcpt_ok', `${plugin} 127.0.0.1 ${port} xclient`],
    config: { rcpthosts: 'd.example', loglevel: '2' },
  });
  ends.push(() => server.close());
  for (const client of [
    { address: '192.0.2.1', port: 1_111 },
    { address: '2001:db8::2', port: 2_222 },
    { address: '192.0.2.1', port: 1_111 },
  ]) {
    const talk = await server.greeted(client);
    await talk.say('MAIL FROM:<s@c.example>');
    expect(await talk.say('RCPT TO:<a@d.example>')).toMatch(/^250/);
    await talk.say('DATA');
    expect(await talk.say('Subject: x\r\n\r\nbody\r\n.')).toMatch(/^250 .*kept/);
  }
  expect(clients).toEqual(['192.0.2.1 1111', '2001:db8::2 2222', '192.0.2.1 1111']);
});

test('two lines of queue/cut-through keep the daemon from starting', async () => {
  const plugins = ['queue/cut-through 127.0.0.1', 'queue/cut-through:2 127.0.0.2'];
  await expect(TestServer.start({ plugins })).rejects.toThrow(/takes every transaction to its hop already/);
});
