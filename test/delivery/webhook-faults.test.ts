/** What becomes of a message when the web server does not do what it should. */

import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RecipientOutcome } from '../../bindings/plugin/delivery.ts';
import { verdictOf } from '../../bindings/plugin/delivery.ts';
import { workers } from '../../host/workers/thread-pool.ts';
import { MimeReader } from '../../plugins/queue/webhook/formats/mime-reader.ts';
import type { WebhookOptions } from '../../plugins/queue/webhook/webhook-outlet.ts';
import { folder } from '../message/folder.ts';
import { words } from '../hooks/plugin-context.ts';
import { makePair } from '../tls/secure-server.ts';
import { MAIL, mailObject, secretsFile, webhookOutlet } from './web-mail.ts';
import { tcpServer, webServer } from './web-server.ts';

interface Tried {
  outcome: RecipientOutcome;
  log: string[];
}

async function tried(
  url: string,
  options: Partial<WebhookOptions> = {},
  what = mailObject(),
): Promise<Tried> {
  const { outlet, lines } = webhookOutlet(url, options);
  const report = await outlet.deliver(what);
  expect(report).toHaveLength(what.recipients.length);
  return { outcome: report[0]!, log: lines };
}

const LARGE = `${MAIL}${'0123456789abcdef\r\n'.repeat(300_000)}`;

describe('answers', () => {
  test.each([
    [200, 'delivered', 250],
    [204, 'delivered', 250],
    [301, 'deferred', 451],
    [307, 'deferred', 451],
    [400, 'refused', 554],
    [401, 'deferred', 451],
    [403, 'refused', 550],
    [404, 'refused', 554],
    [406, 'refused', 550],
    [408, 'deferred', 451],
    [413, 'refused', 552],
    [415, 'refused', 554],
    [422, 'refused', 554],
    [425, 'deferred', 451],
    [429, 'deferred', 451],
    [500, 'deferred', 451],
    [503, 'deferred', 451],
    [599, 'deferred', 451],
  ] as const)('%i means %s', async (status, kind, code) => {
    const elsewhere = await webServer();
    const server = await webServer((response) =>
      response
        .writeHead(status, { 'retry-after': '30', location: elsewhere.url })
        .end(status === 204 ? '' : 'so\nmore'),
    );
    const { outcome, log } = await tried(server.url);
    expect([outcome.kind, outcome.reply.code, outcome.hop]).toEqual([kind, code, `127.0.0.1:${server.port}`]);
    expect(server.seen).toHaveLength(1);
    expect(elsewhere.seen).toEqual([]);
    expect(log).toHaveLength(1);
    expect(log[0]).toContain(`HTTP ${status}${status === 204 ? '' : ', "so"'}, retry after 30`);
  });

  test('the client reads the id of the request, and nothing else the server wrote', async () => {
    const server = await webServer((response, { path }) =>
      response
        .writeHead(path === '/inbound' ? 202 : 500, { 'x-request-id': 'r-17' })
        .end('secret inside\x1b[31m'),
    );
    const accepted = await tried(server.url);
    expect(words(verdictOf([accepted.outcome]))).toBe('OK Queued! r-17 (#0.0)');
    const failed = await tried(`${server.url}?token=s3cret`);
    expect(words(verdictOf([failed.outcome]))).toBe('DENYSOFT The next hop failed (HTTP 500, r-17) (#3.0)');
    expect(failed.log.join()).not.toMatch(/\x1b|s3cret/);
  });

  test('of one recipient does not count for another', async () => {
    const server = await webServer((response, { headers }) =>
      response.writeHead(String(headers['x-envelope-to']).startsWith('<two') ? 403 : 200).end(),
    );
    const report = await webhookOutlet(server.url, { per: 'recipient' }).outlet.deliver(mailObject());
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'refused']);
  });

  test('to a part of the message: a refusal counts, success does not', async () => {
    const early = (line: string, isReading: boolean): Promise<number> =>
      tcpServer((socket) => {
        socket.once('data', () => {
          if (isReading) socket.resume();
          else socket.pause();
          socket.write(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\n\r\n`);
        });
      });
    const refused = await tried(
      `http://127.0.0.1:${await early('413 Too Large', true)}/`,
      {},
      mailObject(LARGE),
    );
    expect([refused.outcome.kind, refused.outcome.reply.code]).toEqual(['refused', 552]);
    const accepted = await tried(`http://127.0.0.1:${await early('200 OK', false)}/`, {}, mailObject(LARGE));
    expect(accepted.outcome.kind).toBe('deferred');
    expect(accepted.log[0]).toContain('before the whole message was sent');
  });

  test('without end are cut', async () => {
    const server = await webServer((response) => {
      response.writeHead(200);
      const more = (): void =>
        void (response.writable && response.write('x'.repeat(65_536), () => setImmediate(more)));
      more();
    });
    expect((await tried(server.url)).outcome.kind).toBe('delivered');
  });
});

describe('connections', () => {
  test('5 MB arrive whole at a server that reads slowly', async () => {
    const server = await webServer();
    const { outcome } = await tried(server.url, {}, mailObject(LARGE));
    expect(outcome.kind).toBe('delivered');
    expect(server.seen[0]!.octets.equals(Buffer.from(LARGE))).toBe(true);
  });

  test('are kept for the next message', async () => {
    const server = await webServer();
    const { outlet } = webhookOutlet(server.url);
    for (let count = 0; count < 3; count++) await outlet.deliver(mailObject());
    expect([server.seen.length, server.connections]).toEqual([3, 1]);
  });

  test('are closed with the configuration, and kept no more', async () => {
    const server = await webServer();
    const { outlet, close } = webhookOutlet(server.url);
    await outlet.deliver(mailObject());
    await close();
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
    expect(server.connections).toBe(2);
  });

  test('that the server closed while idle cost nothing but a second try', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    let requests = 0;
    const port = await tcpServer((socket, count) => {
      socket.on('data', (block) => {
        if (!block.toString().startsWith('POST')) return;
        requests++;
        // The first connection answers once and resets with the second request, as a server does that just let go.
        if (count === 0 && requests > 1) socket.resetAndDestroy();
        else setTimeout(() => socket.write(answer), 20);
      });
    });
    const { outlet } = webhookOutlet(`http://127.0.0.1:${port}/`);
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
    expect((await outlet.deliver(mailObject()))[0]!.kind).toBe('delivered');
    expect(requests).toBe(3);
  });

  test.each([
    ['is closed at once', (socket: Socket) => socket.destroy(), '4.4.2'],
    [
      'is reset after the request',
      (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()),
      '4.4.2',
    ],
    ['brings no HTTP', (socket: Socket) => socket.end('220 mx ESMTP\r\n'), '4.4.2'],
    [
      'brings a header without end',
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}`),
      '4.4.2',
    ],
    [
      'changes the protocol',
      (socket: Socket) => socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      '4.4.2',
    ],
    ['never answers', () => undefined, '4.4.2'],
    [
      'answers for ever',
      (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx');
      },
      undefined,
    ],
  ] as const)('a connection that %s', async (_what, serve, status) => {
    const port = await tcpServer(serve);
    const { outcome } = await tried(`http://127.0.0.1:${port}/`, { request_timeout: 2 });
    if (status === undefined) expect(outcome.kind).toBe('delivered');
    else expect([outcome.kind, outcome.reply.status]).toEqual(['deferred', status]);
  });

  test('refused, or to a name that does not exist, are deferrals', async () => {
    const { outcome } = await tried('http://127.0.0.1:1/');
    expect([outcome.kind, outcome.reply.status]).toEqual(['deferred', '4.4.1']);
    const nowhere = await tried('https://nowhere.invalid/');
    expect([nowhere.outcome.kind, nowhere.outcome.reply.status]).toEqual(['deferred', '4.4.1']);
  });

  test('end with the signal of the caller', async () => {
    const port = await tcpServer(() => undefined);
    const { outlet } = webhookOutlet(`http://127.0.0.1:${port}/`, { request_timeout: 60 });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    expect((await outlet.deliver(mailObject(), controller.signal))[0]!.reply.status).toBe('4.3.2');
    expect((await outlet.deliver(mailObject(), controller.signal))[0]!.reply.status).toBe('4.3.2');
  });
});

describe('TLS', () => {
  test('is verified: authority and name', async () => {
    const pair = makePair('127.0.0.1');
    const other = makePair('elsewhere.example');
    const caFile = (text: string): string => {
      const path = join(folder(), 'ca.pem');
      writeFileSync(path, text);
      return path;
    };
    const server = await webServer(undefined, pair);
    const trusted = await tried(server.url, { ca_file: caFile(pair.certificate) });
    expect(trusted.outcome.kind).toBe('delivered');
    const unknown = await tried(server.url);
    expect([unknown.outcome.kind, unknown.outcome.reply.status]).toEqual(['deferred', '4.4.1']);
    expect(unknown.log[0]).toContain('self-signed certificate');
    const misnamed = await webServer(undefined, other);
    const wrong = await tried(misnamed.url, { ca_file: caFile(other.certificate) });
    expect(wrong.outcome.kind).toBe('deferred');
    expect([server.seen.length, misnamed.seen.length]).toEqual([1, 0]);
  });

  test('a message that requires it does not go without', async () => {
    const what = mailObject();
    const strict = { ...what, mailOptions: { ...what.mailOptions, requireTls: true } };
    const { outcome } = await tried('http://192.0.2.1/', { insecure: true }, strict);
    expect([outcome.kind, outcome.reply.status]).toEqual(['refused', '5.7.30']);
    const here = await webServer();
    expect((await tried(here.url, {}, strict)).outcome.kind).toBe('delivered');
  });
});

describe('messages', () => {
  test('that are too big are refused and not sent', async () => {
    const server = await webServer();
    const { outcome } = await tried(server.url, { max_octets: 100 });
    expect([outcome.kind, outcome.reply.code]).toEqual(['refused', 552]);
    const huge = mailObject('Subject: x\r\n\r\n' + 'x'.repeat(10_485_761));
    expect((await tried(server.url, { format: 'postmark' }, huge)).outcome.reply.code).toBe(552);
    expect(server.seen).toEqual([]);
  });

  test('that can not be read any more are deferred', async () => {
    const server = await webServer();
    const what = mailObject();
    await (what.message as unknown as { discard(): Promise<void> }).discard();
    expect((await tried(server.url, {}, what)).outcome.kind).toBe('deferred');
  });

  test('of short lines without end cost a thread its time, and nobody else its own', async () => {
    const raw = Buffer.from(`Subject: x\r\n\r\n${'a\r\n'.repeat(2_000_000)}`);
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 20);
    const reader = new MimeReader(workers, 1, 600);
    onTestFinished(() => reader.close());
    const reading = reader.read(raw, new AbortController().signal);
    await expect(reading).rejects.toMatchObject({ kind: 'timeout' });
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5);
  });

  test('nested without end are refused by formats that take them apart, and passed on by others', async () => {
    const server = await webServer();
    let mail = 'Subject: deep\r\nMIME-Version: 1.0\r\n';
    for (let level = 0; level < 200; level++)
      mail += `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`;
    const deep = mailObject(`${mail}\r\nx\r\n`);
    expect((await tried(server.url, { format: 'postmark' }, deep)).outcome.reply.status).toBe('5.6.0');
    expect((await tried(server.url, { format: 'sendgrid' }, deep)).outcome.kind).toBe('delivered');
  });
});

describe('options that do not fit are refused with a remedy', () => {
  test.each([
    ['http://mail.example/', {}, /without TLS only for loopback.*insecure yes/],
    ['ftp://mail.example/', {}, /begin it with https:/],
    ['https://user:p4ss@mail.example/', {}, /put user and password into the file/],
    ['nothing', {}, /write it as scheme/],
    ['https://mail.example/', { format: 'mailgun' as const }, /mailgun needs a signing_key/],
    ['https://mail.example/', { format: 'postmark' as const, per: 'message' as const }, /leave `per` out/],
    ['https://mail.example/', { secrets: '/nowhere/secrets' }, /can't be read: ENOENT/],
    ['https://mail.example/', { ca_file: '/nowhere/ca' }, /ENOENT/],
  ])('%s %j', (url, options, problem) => {
    expect(() => webhookOutlet(url, options)).toThrow(problem);
    expect(() => webhookOutlet(url, options)).not.toThrow(/p4ss/);
  });

  test.each([
    ['username=u\npassword=p', 0o644, /read or written by others \(chmod 600\)/],
    ['username=u', 0o600, /write both/],
    ['username=a:b\npassword=p', 0o600, /colon/],
    ['signing_key=short-p4ss', 0o600, /too short/],
    ['pasword=p4ss', 0o600, /line 1 has no known key \(it takes username, password, signing_key\)/],
    ['password=', 0o600, /no value/],
    ['password=p4ss\npassword=p4ss2', 0o600, /twice/],
  ])('a secrets file with %j, mode %o', (text, mode, problem) => {
    const options = { secrets: secretsFile(text, mode) };
    expect(() => webhookOutlet('https://mail.example/', options)).toThrow(problem);
    expect(() => webhookOutlet('https://mail.example/', options)).not.toThrow(/p4ss/);
  });
});
