/** queue/amqp publishes to a RabbitMQ; what the client was told 250 for is there, whatever happens to the broker. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type ChannelModel, type GetMessage } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestClient } from '../../../host/testing/index.ts';
import { makePair } from '../../tls/secure-server.ts';
import { RunningDaemon, Workplace } from '../daemon.ts';
import { describeWith } from '../needs.ts';
import { RabbitMq } from './rabbitmq.ts';

describeWith('/usr/lib/rabbitmq/bin/rabbitmq-server', 'rabbitmq-server')('RabbitMQ', () => {
  const workplace = new Workplace();
  let broker: RabbitMq;
  let daemon: RunningDaemon;

  beforeAll(async () => {
    const pair = makePair('127.0.0.1');
    const other = makePair('127.0.0.1');
    broker = await RabbitMq.start(pair);
    const file = (name: string, text: string): string => {
      const path = join(workplace.folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const plain = `amqp amqp://127.0.0.1:${broker.port}/`;
    const secure = `amqp amqps://127.0.0.1:${broker.tlsPort}/ in.%d mail ca_file`;
    const routes = {
      'example.test': `${plain} in.%d mail secrets ${file('good', 'username=guest\npassword=guest')}`,
      'tls.test': `${secure} ${file('ca', pair.certificate)}`,
      'forged.test': `${secure} ${file('other', other.certificate)}`,
      'nowhere.test': `${plain} out.%d mail`,
      'never.test': `${plain} out.%d mail unroutable refuse`,
      'full.test': `${plain} full`,
      'missing.test': `${plain} in.%d missing`,
      'badpass.test': `${plain} in.%d mail secrets ${file('bad', 'username=guest\npassword=s3cret')}`,
    };
    workplace.write({
      rcpthosts: Object.keys(routes).join('\n'),
      routes: Object.entries(routes)
        .map((route) => route.join(' '))
        .join('\n'),
      plugins: 'rcpt_ok\nqueue/routes',
      loglevel: '7',
    });
    await withBroker(async (model) => {
      const channel = await model.createChannel();
      await channel.assertExchange('mail', 'topic', { durable: true });
      await channel.assertQueue('inbox', { durable: true });
      await channel.bindQueue('inbox', 'mail', 'in.#');
      await channel.assertQueue('full', { maxLength: 0, overflow: 'reject-publish' });
    });
    daemon = await RunningDaemon.start(workplace);
  }, 120_000);
  afterAll(async () => {
    await daemon?.end();
    await broker?.stop();
    workplace.remove();
  });

  /** A connection of the test's own. */
  async function withBroker<T>(work: (model: ChannelModel) => Promise<T>): Promise<T> {
    const model = await connect({ hostname: '127.0.0.1', port: broker.port });
    try {
      return await work(model);
    } finally {
      await model.close();
    }
  }

  /** Takes everything out of the queue. */
  const consumed = (): Promise<GetMessage[]> =>
    withBroker(async (model) => {
      const channel = await model.createChannel();
      const all: GetMessage[] = [];
      for (;;) {
        const message = await channel.get('inbox', { noAck: true });
        if (message === false) return all;
        all.push(message);
      }
    });

  async function client(): Promise<TestClient> {
    const socket = connectTcp(daemon.port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new TestClient(socket);
    await client.reply();
    await client.say('EHLO client.example');
    return client;
  }

  /** One message; returns the reply to its end. */
  async function send(via: TestClient, text: string, ...recipients: string[]): Promise<string> {
    await via.say('MAIL FROM:<a@b.example> BODY=8BITMIME');
    for (const recipient of recipients) await via.say(`RCPT TO:<${recipient}>`);
    await via.say('DATA');
    return via.say(`${text}\r\n.`);
  }

  const sendOne = async (text: string, ...recipients: string[]): Promise<string> => {
    const via = await client();
    const reply = await send(via, text, ...recipients);
    via.destroy();
    return reply;
  };

  test('has the message octet by octet, with its envelope', async () => {
    const text = `Subject: caf\xc3\xa9\r\n\r\n${'0123456789\r\n'.repeat(30_000)}end`;
    expect(await sendOne(text, 'One@example.test', 'two@example.test')).toMatch(/^250 .*Queued! /);
    const [message, ...others] = await consumed();
    expect(others).toEqual([]);
    expect(message!.fields).toMatchObject({ exchange: 'mail', routingKey: 'in.example.test' });
    expect(message!.properties).toMatchObject({
      contentType: 'message/rfc822',
      deliveryMode: 2,
      appId: 'qpsmtpd',
    });
    expect(message!.properties.headers).toMatchObject({
      'envelope-from': '<a@b.example>',
      'envelope-to': ['<One@example.test>', '<two@example.test>'],
      'client-ip': '127.0.0.1',
      'client-hello': 'client.example',
    });
    expect(message!.content.toString('latin1').endsWith(`${text}\r\n`)).toBe(true);
  });

  test('over TLS, if it shows the right certificate', async () => {
    expect(await sendOne('Subject: tls\r\n', 'u@tls.test')).toMatch(/^250 /);
    expect(await sendOne('Subject: tls\r\n', 'u@forged.test')).toMatch(/^451 /);
    expect(await consumed()).toHaveLength(1);
  });

  test.each([
    ['nowhere.test', /^451 .*no route .*yet.*4\.4\.4/],
    ['never.test', /^550 .*no route.*5\.4\.4/],
    ['full.test', /^451 .*4\.3\.2/],
    ['missing.test', /^451 .*4\.4\.1/],
    ['badpass.test', /^451 .*4\.4\.1/],
  ])('nobody there, or no: %s', async (domain, reply) => {
    expect(await sendOne('Subject: x\r\n', `u@${domain}`)).toMatch(reply);
    expect(await sendOne('Subject: x\r\n', 'u@example.test')).toMatch(/^250 /);
    expect(await consumed()).toHaveLength(1);
    expect(daemon.log).not.toContain('s3cret');
  });

  test('blocked by an alarm: mail is put off at once, and taken again afterwards', async () => {
    expect(await sendOne('Subject: x\r\n', 'u@example.test')).toMatch(/^250 /);
    await broker.control('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      // The alarm may take a moment. From then on the very first message is put off, whichever it is.
      const replies: string[] = [];
      await expect
        .poll(async () => replies[replies.push(await sendOne('Subject: x\r\n', 'u@example.test')) - 1])
        .not.toMatch(/^250 /);
      replies.push(await sendOne('Subject: x\r\n', 'u@example.test'));
      expect(replies.slice(-2)).toEqual(Array(2).fill(expect.stringMatching(/^451 .*takes no messages/)));
    } finally {
      await broker.control('set_vm_memory_high_watermark', '0.4');
    }
    await expect.poll(() => sendOne('Subject: x\r\n', 'u@example.test')).toMatch(/^250 /);
    await consumed();
  });

  test('killed in the middle, twice: nothing that was acknowledged is lost', async () => {
    const acknowledged: string[] = [];
    let deferred = 0;
    let isOver = false;
    const sender = async (name: number): Promise<void> => {
      const via = await client();
      for (let count = 0; !isOver; count++) {
        const subject = `${name}-${count}`;
        const reply = await send(via, `Subject: ${subject}\r\n\r\n${'x'.repeat(2_000)}`, 'u@example.test');
        if (reply.startsWith('250')) acknowledged.push(subject);
        else {
          expect(reply).toMatch(/^451 /);
          deferred++;
          await pause(50);
        }
      }
      via.destroy();
    };
    const senders = Array.from({ length: 6 }, (_, name) => sender(name));
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 100);
      await broker.kill();
      await pause(500);
      await broker.restart();
    }
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 20);
    isOver = true;
    await Promise.all(senders);
    const found = new Set(
      (await consumed()).map(({ content }) => /^Subject: (.+)\r$/m.exec(content.toString('latin1'))?.[1]),
    );
    const lost = acknowledged.filter((subject) => !found.has(subject));
    process.stdout.write(
      `${acknowledged.length} acknowledged, ${deferred} deferred, ${found.size} in the queue, ${lost.length} lost\n`,
    );
    expect(lost).toEqual([]);
    expect(deferred).toBeGreaterThan(0);
  }, 240_000);
});
