import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import type { AmqpOptions } from '../../plugins/queue/amqp/amqp-outlet.ts';
import { publicationsOf, routingKeyOf } from '../../plugins/queue/amqp/publication.ts';
import { until } from '../patience.ts';
import { fakeBroker, type BrokerEnd, type Published } from './fake-broker.ts';
import { amqpOutlet, MAIL, mailObject, secretsFile } from './web-mail.ts';
import { tcpServer } from './web-server.ts';

const outletAt = (port: number, options: Partial<AmqpOptions> = {}): ReturnType<typeof amqpOutlet> =>
  amqpOutlet(`amqp://127.0.0.1:${port}/`, options);

/** Delivers to a broker that does `onPublish`; kind and status for each recipient. */
async function tried(
  onPublish: (published: Published, end: BrokerEnd) => void,
  options: Partial<AmqpOptions> = {},
): Promise<(string | undefined)[][]> {
  const { port } = await fakeBroker(onPublish);
  const report = await outletAt(port, options).outlet.deliver(mailObject());
  return report.map(({ kind, reply }) => [kind, reply.status]);
}

const both = (kind: string, status: string): string[][] => [
  [kind, status],
  [kind, status],
];

describe('publications', () => {
  test('are mandatory, whole, and acknowledged before the client is', async () => {
    const seen: Published[] = [];
    const { port } = await fakeBroker((published, end) => {
      seen.push(published);
      end.ack(published.tag);
    });
    const { outlet, lines } = outletAt(port, { exchange: 'in', routing_key: 'mail.%d' });
    const text = `${MAIL}${'x'.repeat(300_000)}\r\n`;
    const report = await outlet.deliver(mailObject(text, ['a@d.example', 'b@D.Example', 'c@e.example']));
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    expect(seen.map(({ routingKey }) => routingKey).sort()).toEqual(['mail.d.example', 'mail.e.example']);
    for (const { exchange, mandatory, body, header } of seen) {
      expect([exchange, mandatory]).toEqual(['in', true]);
      expect(body.equals(Buffer.from(text))).toBe(true);
      expect(header.includes('message/rfc822')).toBe(true);
    }
    expect(report[0]!.reply.lines[0]).toMatch(/^Queued! abc-1\.[0-9a-f-]{36}$/);
    expect(lines.filter((line) => line.includes('confirmed'))).toHaveLength(2);
  });

  test('the connection is closed with the configuration', async () => {
    const { port, ends } = await fakeBroker(({ tag }, end) => end.ack(tag));
    const { outlet, lines, close } = outletAt(port);
    await outlet.deliver(mailObject());
    expect(lines.filter((line) => line.endsWith('closed'))).toEqual([]);
    await close();
    expect(lines.at(-1)).toBe(`127.0.0.1:${port}: closed`);
    await until(() => ends[0]!.socket.destroyed);
  });

  test('share one connection, made when the first is needed', async () => {
    const { port, ends } = await fakeBroker(({ tag }, end) => setTimeout(() => end.ack(tag), 5));
    const { outlet } = outletAt(port);
    expect(ends).toEqual([]);
    const reports = await Promise.all(Array.from({ length: 50 }, () => outlet.deliver(mailObject())));
    expect(reports.flat().every(({ kind }) => kind === 'delivered')).toBe(true);
    expect(ends).toHaveLength(1);
  });

  test('log in as the secrets say, and as guest without any', async () => {
    const { port, ends } = await fakeBroker(({ tag }, end) => end.ack(tag));
    const file = secretsFile('username=mail\npassword=p: wd');
    await outletAt(port, { secrets: file }).outlet.deliver(mailObject());
    await outletAt(port).outlet.deliver(mailObject());
    expect(ends.map(({ login }) => login)).toEqual(['\0mail\0p: wd', '\0guest\0guest']);
  });

  test('are no more at a time than there are places', async () => {
    let inFlight = 0;
    let most = 0;
    const { port } = await fakeBroker(({ tag }, end) => {
      most = Math.max(most, ++inFlight);
      setTimeout(() => {
        inFlight--;
        end.ack(tag);
      }, 10);
    });
    const { outlet } = outletAt(port, { in_flight: 3 });
    await Promise.all(Array.from({ length: 20 }, () => outlet.deliver(mailObject())));
    expect(most).toBe(3);
  });

  test('carry envelope, client and a key that stays the same', () => {
    const of = (per: 'message' | 'recipient', recipients: string[]) =>
      publicationsOf(mailObject(MAIL, recipients), { routingKey: 'q', per }, { digest: 'd', now: 5_000 });
    const [first, ...others] = of('message', ['a@d.example', 'b c@d.example']);
    expect(others).toEqual([]);
    expect(first!.options).toMatchObject({ persistent: true, mandatory: true, timestamp: 5 });
    expect(first!.options.headers).toMatchObject({
      'envelope-from': '<s@c.example>',
      'envelope-to': ['<a@d.example>', String.raw`<"b\ c"@d.example>`],
      'client-ip': '192.0.2.7',
      'transaction-id': 'abc-1',
    });
    const [again] = of('message', ['b c@d.example', 'a@d.example']);
    expect(again!.options.headers['retry-key']).toBe(first!.options.headers['retry-key']);
    expect(again!.options.messageId).not.toBe(first!.options.messageId);
    expect(of('recipient', ['a@d.example', 'b@d.example'])).toHaveLength(2);
    const many = of(
      'message',
      Array.from({ length: 250 }, (_, index) => `u${index}@d.example`),
    );
    expect(many.map(({ indexes }) => indexes.length)).toEqual([100, 100, 50]);
  });

  test.each([
    ['mail', 'mail'],
    ['mail.%d', 'mail.d.example'],
    ['%l/%u/%%', 'some.one/some.one@d.example/%'],
  ])('the routing key %s', (pattern, key) => {
    expect(routingKeyOf(pattern, new Address('Some.One', 'D.example'))).toBe(key);
    expect(routingKeyOf(`${pattern}%d`, new Address('x', 'd'.repeat(260)))).toBeUndefined();
  });

  test('a recipient without a usable routing key is refused, the others are not', async () => {
    const { port } = await fakeBroker(({ tag }, end) => end.ack(tag));
    const { outlet } = outletAt(port, { routing_key: '%d.%l' });
    const report = await outlet.deliver(mailObject(MAIL, [`${'l'.repeat(255)}@d.example`, 'a@d.example']));
    expect(report.map(({ kind, reply }) => [kind, reply.status])).toEqual([
      ['refused', '5.1.3'],
      ['delivered', '2.0.0'],
    ]);
  });
});

describe('what a broker may do', () => {
  test('return: deferred, or refused where the operator says so', async () => {
    const giveBack = (published: Published, end: BrokerEnd): void => {
      end.giveBack(published);
      end.ack(published.tag);
    };
    expect(await tried(giveBack)).toEqual(both('deferred', '4.4.4'));
    expect(await tried(giveBack, { unroutable: 'refuse' })).toEqual(both('refused', '5.4.4'));
  });

  test('a returned message does not count for others', async () => {
    const { port } = await fakeBroker((published, end) => {
      if (published.routingKey === 'e.example') end.giveBack(published);
      end.ack(published.tag);
    });
    const { outlet } = outletAt(port, { routing_key: '%d' });
    const report = await outlet.deliver(mailObject(MAIL, ['a@d.example', 'a@e.example', 'a@f.example']));
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'deferred', 'delivered']);
  });

  test('say no, close the channel, break the connection', async () => {
    expect(await tried(({ tag }, end) => end.nack(tag))).toEqual(both('deferred', '4.3.2'));
    expect(await tried((_, end) => end.closeChannel(404, 'NOT_FOUND'))).toEqual(both('deferred', '4.4.2'));
    expect(await tried((_, end) => void end.socket.destroy())).toEqual(both('deferred', '4.4.2'));
    expect(await tried((_, end) => void end.socket.resetAndDestroy())).toEqual(both('deferred', '4.4.2'));
    expect(await tried((_, end) => void end.socket.write('nonsense'.repeat(4)))).toEqual(
      both('deferred', '4.4.2'),
    );
  });

  test('confirm nothing: the connection goes, and the next message has another', async () => {
    let isSilent = true;
    const { port, ends } = await fakeBroker(({ tag }, end) => {
      if (!isSilent) end.ack(tag);
    });
    const { outlet } = outletAt(port, { confirm_timeout: 0.2 });
    expect((await outlet.deliver(mailObject()))[0]!.reply.status).toBe('4.4.2');
    isSilent = false;
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
    expect(ends).toHaveLength(2);
    await expect.poll(() => ends[0]!.socket.destroyed || ends[0]!.socket.readableEnded).toBe(true);
  });

  test.each([
    ['connection', (end: BrokerEnd) => end.closeConnection(320, 'CONNECTION_FORCED')],
    ['channel', (end: BrokerEnd) => end.closeChannel(541, 'INTERNAL_ERROR')],
  ])('close the %s as soon as it is ready: the next message has another', async (_, close) => {
    let isLeaving = true;
    const { port } = await fakeBroker(
      ({ tag }, end) => end.ack(tag),
      (end) => {
        if (isLeaving) close(end);
        isLeaving = false;
      },
    );
    const { outlet } = outletAt(port);
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('deferred');
    await expect.poll(async () => (await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
  });

  test('block: deferred without publishing, until it unblocks', async () => {
    const seen: Published[] = [];
    const { port, ends } = await fakeBroker((published, end) => {
      seen.push(published);
      end.ack(published.tag);
    });
    const { outlet, lines } = outletAt(port);
    await outlet.deliver(mailObject());
    ends[0]!.block('low on memory');
    await sleep(50);
    const report = await outlet.deliver(mailObject());
    expect([report[0]!.kind, report[0]!.reply.status]).toEqual(['deferred', '4.3.2']);
    expect(lines.join('\n')).toContain('blocked: low on memory');
    ends[0]!.unblock();
    await sleep(50);
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
    expect(seen).toHaveLength(2);
  });

  test('go and come back: tried again, later each time', async () => {
    const { outlet, lines } = outletAt(1);
    for (let count = 0; count < 3; count++) {
      expect((await outlet.deliver(mailObject()))[0]!.reply.status).toBe('4.4.1');
    }
    expect(lines.filter((line) => line.includes('ECONNREFUSED'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('next try in'))).toHaveLength(2);
    await sleep(300);
    await outlet.deliver(mailObject());
    expect(lines.filter((line) => line.includes('ECONNREFUSED'))).toHaveLength(2);
  });

  test.each([
    ['says nothing', () => undefined],
    ['speaks SMTP', (socket: Socket) => void socket.write('220 mx ESMTP\r\n')],
    ['hangs up', (socket: Socket) => void socket.end()],
    [
      'announces a frame of 4 GiB',
      (socket: Socket) => void socket.write(Buffer.from('010000ffffffff', 'hex')),
    ],
  ])('what %s is no broker', async (_what, serve) => {
    const port = await tcpServer(serve);
    for (const scheme of ['amqp', 'amqps']) {
      const report = await amqpOutlet(`${scheme}://127.0.0.1:${port}/`, {
        connect_timeout: 0.3,
      }).outlet.deliver(mailObject());
      expect([report[0]!.kind, report[0]!.reply.status]).toEqual(['deferred', '4.4.1']);
    }
  });

  test('the caller may stop waiting', async () => {
    const { port } = await fakeBroker(() => undefined);
    const { outlet } = outletAt(port);
    const report = await outlet.deliver(mailObject(), AbortSignal.timeout(200));
    expect(report.map(({ kind, reply }) => [kind, reply.status])).toEqual(both('deferred', '4.3.2'));
  });
});

describe('options that do not fit are refused with a remedy', () => {
  test.each([
    ['amqp://broker.example/', {}, /insecure yes/],
    ['https://broker.example/', {}, /begin it with amqps:/],
    ['amqps://broker.example/?heartbeat=0', {}, /begins with \?/],
    ['amqps://broker.example/', { routing_key: 'a%x' }, /%x means nothing/],
    ['amqps://broker.example/', { routing_key: 'a%' }, /% means nothing/],
  ])('%s %j', (url, options, problem) => {
    expect(() => amqpOutlet(url, options)).toThrow(problem);
  });

  test('a secrets file with half of a login', () => {
    const options = { secrets: secretsFile('password=p4ss') };
    expect(() => amqpOutlet('amqps://broker.example/', options)).toThrow(/write both/);
  });

  test('a message that is too big is refused', async () => {
    const { outlet } = outletAt(1, { max_octets: 10 });
    expect((await outlet.deliver(mailObject()))[0]!.reply.code).toBe(552);
  });
});
