/** A real Postfix as next hop: who it believes the client to be, and transactions that go on to it while they happen. */

import { afterEach, expect, test } from 'vitest';
import { definePlugin, deny, ok } from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestClient } from '../../host/testing/index.ts';
import { TestServer } from '../../host/testing/test-server.ts';
import { CLIENT as FRONT_CLIENT, connected } from './front.ts';
import { missingPostfix, startPostfix, type PostfixOptions } from './receivers/postfix.ts';
import { describeWithReceiver } from './receivers/described.ts';
import { type Receiver } from './receivers/receiver.ts';
import { freePort } from '../free-port.ts';

const CLIENT = { address: '192.0.2.77', port: 4711 };
const LETTER = 'From: <s@c.example>\r\nSubject: x\r\n\r\n..one\r\ntwo\r\n.';

let ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** A Postfix, and a server that hands on to it by the plugin's line; `PORT` stands for Postfix's. */
async function start(
  line: string,
  options: PostfixOptions,
): Promise<{ postfix: Receiver; server: TestServer }> {
  const postfix = await startPostfix(options);
  ends.push(() => postfix.stop());
  const server = await TestServer.start({
    plugins: ['rcpt_ok', line.replace('PORT', String(postfix.port))],
    config: { rcpthosts: ['example.test', 'elsewhere.example'], reply_style: 'enhanced', loglevel: '2' },
  });
  ends.push(() => server.close());
  return { postfix, server };
}

/** The reply to the end of the message. */
async function send(server: TestServer): Promise<string> {
  const client = await server.greeted(CLIENT);
  await client.say('MAIL FROM:<s@c.example>');
  await client.say('RCPT TO:<u@example.test>');
  await client.say('DATA');
  return client.say(LETTER);
}

describeWithReceiver('Postfix', missingPostfix())('Postfix is told who the client is', () => {
  test('by XCLIENT', async () => {
    const { postfix, server } = await start('queue/smtp-forward 127.0.0.1 PORT xclient', {
      settings: ['smtpd_authorized_xclient_hosts = 127.0.0.1'],
    });
    expect(await send(server)).toMatch(/^250 .*queued as/);
    const [message] = await postfix.messages();
    expect(message!.toString()).toMatch(/Received: from \S+ \(unknown \[192\.0\.2\.77\]\)/);
  });

  test('by XCLIENT, which a hop that does not allow it does not offer', async () => {
    const { postfix, server } = await start('queue/smtp-forward 127.0.0.1 PORT xclient', {});
    expect(await send(server)).toMatch(
      /^451 .*Unable to queue message \(Server does not advertise XCLIENT support\)/,
    );
    expect(await postfix.messages()).toHaveLength(0);
  });

  test('by XFORWARD', async () => {
    const { postfix, server } = await start('queue/smtp-forward 127.0.0.1 PORT xforward', {
      settings: ['smtpd_authorized_xforward_hosts = 127.0.0.1'],
    });
    expect(await send(server)).toMatch(/^250/);
    expect(await postfix.messages()).toHaveLength(1);
    expect(postfix.log()).toMatch(/client=.*orig_client=unknown\[192\.0\.2\.77\]/);
  });

  test('by the PROXY protocol', async () => {
    const port = await freePort();
    const { postfix, server } = await start(`queue/cut-through 127.0.0.1 ${port} proxy v2`, {
      services: [`127.0.0.1:${port} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy`],
    });
    expect(await send(server)).toMatch(/^250/);
    const [message] = await postfix.messages();
    expect(message!.toString()).toMatch(/Received: from mx\.test \(unknown \[192\.0\.2\.77\]\)/);
  });
});

describeWithReceiver('Postfix', missingPostfix())('between two of Postfix, as smtpd_proxy_filter', () => {
  /** Postfix takes mail on its port `outer`, hands it to us on `ours`, and takes it back. */
  async function startBetween(): Promise<{ postfix: Receiver; outer: number; log: string[] }> {
    const [outer, ours] = [await freePort(), await freePort()];
    const postfix = await startPostfix({
      settings: ['smtpd_authorized_xforward_hosts = 127.0.0.1'],
      services: [
        `127.0.0.1:${outer} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:${ours} -o smtpd_proxy_options=speed_adjust`,
      ],
    });
    ends.push(() => postfix.stop());
    const log: string[] = [];
    const filter = definePlugin({
      name: 'filter',
      about: 'Refuses one recipient, and keeps the log.',
      logsUpTo: () => 5,
      hooks: {
        rcpt: (_, { localPart }) => (localPart === 'refused' ? deny('not through here') : ok()),
        logging: (_, { text }) => void log.push(text),
      },
    });
    const server = await Server.load({
      acceptors: [new SocketAcceptor(parseListen(`tcp://127.0.0.1:${ours}`))],
      directories: [],
      overlay: new Map([
        ['me', ['filter.test']],
        ['plugins', ['filter', `queue/smtp-forward 127.0.0.1 ${postfix.port} xforward`]],
        ['xforward_hosts', ['127.0.0.1']],
      ]),
      definitions: [filter],
      reverseLookup: noReverseLookup,
    });
    await server.listen();
    ends.push(() => server.drain(0));
    return { postfix, outer, log };
  }

  async function sendTo(port: number, recipient: string): Promise<string> {
    const client = new TestClient(await connected(port));
    await client.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<s@c.example>', `RCPT TO:<${recipient}@example.test>`])
      await client.say(line);
    await client.say('DATA');
    const reply = await client.say(LETTER);
    client.destroy();
    return reply;
  }

  test('its client stands in our log and, handed on, in that of the Postfix behind us', async () => {
    const { postfix, outer, log } = await startBetween();
    expect(await sendTo(outer, 'u')).toMatch(/^250/);
    expect(await postfix.messages()).toHaveLength(1);
    expect(postfix.log()).toMatch(
      new RegExp(`orig_client=unknown\\[${FRONT_CLIENT.replaceAll('.', '\\.')}\\]`),
    );
    const line = log.find((text) => text.startsWith('transaction'));
    expect(line).toContain(`client=127.0.0.1:`);
    expect(line).toMatch(/ orig_client=127\.0\.0\.9:\d+ orig_helo=c\.example /);
  });

  test('our refusal reaches its client', async () => {
    const { postfix, outer } = await startBetween();
    expect(await sendTo(outer, 'refused')).toMatch(/^550 .*not through here/);
    expect(await postfix.messages()).toHaveLength(0);
  });
});

describeWithReceiver('Postfix', missingPostfix())('queue/cut-through to Postfix', () => {
  test('its words reach the client, the message its mailbox', async () => {
    const { postfix, server } = await start('queue/cut-through 127.0.0.1 PORT', {});
    const client = await server.greeted(CLIENT);
    for (let turn = 0; turn < 2; turn++) {
      await client.say('MAIL FROM:<s@c.example>');
      expect(await client.say('RCPT TO:<u@elsewhere.example>')).toMatch(/^554 5\.7\.1 .*Relay access denied/);
      expect(await client.say('RCPT TO:<u@example.test>')).toMatch(/^250 2\.1\.5 Ok/);
      expect(await client.say('DATA')).toMatch(/^354/);
      expect(await client.say(LETTER)).toMatch(/^250 2\.0\.0 Ok: queued as/);
    }
    const messages = await postfix.messages();
    expect(messages).toHaveLength(2);
    expect(messages[0]!.toString()).toMatch(/Received: from Unknown[^]*\n\n\.one\ntwo\n$/);
  });

  test('a client that breaks off leaves nothing behind', async () => {
    const { postfix, server } = await start('queue/cut-through 127.0.0.1 PORT', {});
    const client = await server.greeted(CLIENT);
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<u@example.test>');
    await client.say('DATA');
    client.send('Subject: x\r\n\r\nhalf\r\n');
    client.destroy();
    await expect.poll(() => postfix.log()).toMatch(/lost connection after DATA/);
    expect(await postfix.messages()).toHaveLength(0);
  });
});
