/** A real Postfix as next hop: who it believes the client to be, and transactions that go on to it while they happen. */

import { afterEach, expect, test } from 'vitest';
import { TestServer } from '../../host/testing/test-server.ts';
import { missingPostfix, startPostfix, type PostfixOptions } from './receivers/postfix.ts';
import { describeWithReceiver } from './receivers/described.ts';
import { freePort, type Receiver } from './receivers/receiver.ts';

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
