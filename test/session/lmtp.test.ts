/** LMTP: LHLO, and a reply for each recipient at the end of a message, whatever came in between. RFC 2033. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  decline,
  defineOutlet,
  definePlugin,
  deny,
  denyDisconnect,
  denySoft,
  done,
  ok,
  type RecipientOutcome,
} from '../../bindings/plugin/index.ts';
import { parseListen, printListen } from '../../host/intake/listen-spec.ts';
import { TestServer, type TestClient, type TestServerOptions } from '../../host/testing/index.ts';
import { makePair } from '../tls/secure-server.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

/** RCPT of `no…` is refused. */
const doorman = definePlugin({
  name: 'doorman',
  about: 'Accepts recipients by their names.',
  hooks: { rcpt: (_, { localPart }) => (localPart.startsWith('no') ? deny('not here') : ok()) },
});

/** What was delivered to whom, and how the mail object was to be taken. */
const seen: { recipients: string[]; isTracked: boolean; content: string }[] = [];
afterEach(() => void seen.splice(0));

/** The fate of a recipient stands in its name: `later…`, `never…`, `lost…` (for whom the outlet reports nothing), else delivered. */
const outlet = defineOutlet({
  name: 'queue/fates',
  about: 'Delivers by the names of recipients.',
  outlet: () => ({
    async deliver(mail) {
      let content = '';
      for await (const block of mail.message.blocks('crlf')) content += block.toString('latin1');
      const recipients = mail.recipients.map(({ address }) => address.toString());
      seen.push({ recipients, isTracked: mail.isTrackedByRecipient === true, content });
      return mail.recipients.map(({ address: { localPart } }): RecipientOutcome => {
        if (localPart.startsWith('later'))
          return {
            kind: 'deferred',
            reply: { code: 452, status: '4.2.2', lines: [`${localPart} is full`] },
            hop: 'hop',
          };
        if (localPart.startsWith('never'))
          return {
            kind: 'refused',
            reply: { code: 550, status: '5.1.1', lines: [`no ${localPart}`] },
            hop: 'hop',
          };
        return {
          kind: 'delivered',
          reply: { code: 250, status: '2.1.5', lines: [`${localPart} has it`] },
          hop: 'hop',
        };
      });
    },
  }),
});

const LMTP = { listener: { isLmtp: true } };

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const { plugins = [doorman, outlet], definitions = [], config } = options;
  const server = await TestServer.start({ plugins, definitions, config: { loglevel: '0', ...config } });
  servers.push(server);
  return server;
}

/** A client that has said LHLO. */
async function greeted(options: TestServerOptions = {}): Promise<TestClient> {
  const client = (await start(options)).connect(LMTP);
  expect(await client.reply()).toMatch(/^220 mx\.test LMTP qpsmtpd/);
  expect(await client.say('LHLO client.example')).toMatch(/^250/);
  return client;
}

async function envelope(client: TestClient, ...names: string[]): Promise<void> {
  expect(await client.say('MAIL FROM:<s@c.example>')).toMatch(/^250 2\.1\.0/);
  for (const name of names)
    expect(await client.say(`RCPT TO:<${name}@d.example>`)).toMatch(name.startsWith('no') ? /^550/ : /^250/);
}

const MESSAGE = 'Subject: x\r\n\r\nx\r\n';

async function replies(client: TestClient, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let number = 0; number < count; number++) all.push(await client.reply());
  return all;
}

/** Sends the message by DATA; the `count` replies to it. */
async function data(client: TestClient, count: number): Promise<string[]> {
  expect(await client.say('DATA')).toMatch(/^354/);
  client.send(`${MESSAGE}.\r\n`);
  return replies(client, count);
}

/** The dialogue goes on where it should, with no reply left over. */
async function isInStep(client: TestClient): Promise<void> {
  expect(await client.say('VRFY x')).toMatch(/^252 /);
}

describe('the greeting', () => {
  test('LHLO takes the place of EHLO, which is unknown with HELO', async () => {
    const client = (await start()).connect(LMTP);
    await client.reply();
    for (const verb of ['EHLO', 'HELO'])
      expect(await client.say(`${verb} client.example`)).toBe(
        '500 5.5.1 Command not recognized; this is LMTP, which begins with LHLO',
      );
    expect(await client.say('MAIL FROM:<a@b.example>')).toBe('503 5.5.1 Send LHLO first');
    expect(await client.say('LHLO')).toMatch(/^501 5\.5\.4/);
    expect(await client.say('LHLO client.example')).toMatch(
      /^250-mx\.test greets Unknown \[127\.0\.0\.1\]\n250-PIPELINING\n/,
    );
    expect(await client.say('lhlo again.example')).toMatch(/^250/);
  });

  test('PIPELINING and ENHANCEDSTATUSCODES are offered, whatever the site says of SMTP', async () => {
    const config = {
      reply_style: 'classic',
      extensions_off: ['PIPELINING', 'ENHANCEDSTATUSCODES', 'DSN'],
    };
    const server = await start({ config });
    const client = server.connect(LMTP);
    await client.reply();
    const offered = (await client.say('LHLO client.example')).split('\n');
    expect(offered).toEqual(expect.arrayContaining(['250-PIPELINING', '250-ENHANCEDSTATUSCODES']));
    expect(offered.join()).not.toContain('DSN');
    expect(await client.say('RSET')).toBe('250 2.0.0 OK');
    const plain = server.connect();
    await plain.reply();
    expect(await plain.say('EHLO client.example')).not.toMatch(/PIPELINING|ENHANCED/);
    expect(await plain.say('RSET')).toBe('250 OK');
  });

  test('on a listener of SMTP, LHLO is as unknown as ever', async () => {
    const client = (await start()).connect();
    expect(await client.reply()).toMatch(/ ESMTP /);
    expect(await client.say('LHLO client.example')).toBe('500 Unrecognized command');
  });

  test.each([
    ['mx.test ready', '220 mx.test ready LMTP'],
    ['mx.test ESMTP here', '220 mx.test LMTP here'],
  ])('smtpgreeting "%s" says LMTP', async (smtpgreeting, expected) => {
    const client = (await start({ config: { smtpgreeting } })).connect(LMTP);
    expect(await client.reply()).toBe(expected);
  });

  test('plugins are asked about LHLO as about EHLO', async () => {
    const host = definePlugin({
      name: 'host',
      about: 'Refuses a name.',
      hooks: { ehlo: (_, name) => (name === 'bad.example' ? deny('not you') : undefined) },
    });
    const client = (await start({ plugins: [host] })).connect(LMTP);
    await client.reply();
    expect(await client.say('LHLO bad.example')).toBe('550 5.7.1 not you');
    expect(await client.say('LHLO good.example')).toMatch(/^250/);
  });

  test('STARTTLS and AUTH are for LMTP as well', async () => {
    const { certificate, key } = makePair('mx.test');
    const keeper = definePlugin({
      name: 'keeper',
      about: 'Takes all passwords.',
      hooks: { 'auth-plain': () => ok() },
    });
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-lmtp-'));
    try {
      writeFileSync(`${folder}/c`, certificate);
      writeFileSync(`${folder}/k`, key, { mode: 0o600 });
      const client = (
        await start({ plugins: [`tls ${folder}/c ${folder}/k ${folder}/c`, keeper, doorman, outlet] })
      ).connect(LMTP);
      await client.reply();
      expect(await client.say('LHLO client.example')).toContain('STARTTLS');
      expect(await client.say('AUTH PLAIN AGEAYg==')).toMatch(/^235/);
      await envelope(client, 'a');
      await data(client, 1);
      expect(seen[0]!.content).toMatch(/^ by mx\.test \(qpsmtpd\/\S+\) with LMTPA ; /m);
      expect(await client.say('STARTTLS')).toMatch(/^220/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the end of a message by DATA', () => {
  test('each accepted recipient has a reply, in the order of RCPT, refused ones have none', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'nobody', 'later1', 'b', 'never1');
    expect(await data(client, 4)).toEqual([
      '250 2.1.5 a has it',
      '452 4.2.2 later1 is full',
      '250 2.1.5 b has it',
      '550 5.1.1 no never1',
    ]);
    await isInStep(client);
    // The outlet could deliver to some, because the client tries again for the others.
    expect(seen).toMatchObject([{ isTracked: true }]);
    expect(seen[0]!.content).toMatch(/^Received: from Unknown \(HELO client\.example\)/m);
    expect(seen[0]!.content).toMatch(/with LMTP ; /);
  });

  test('one named twice has two replies, and gets the message once', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'later', 'a', 'later');
    expect((await data(client, 4)).map((reply) => reply.slice(0, 3))).toEqual(['250', '452', '250', '452']);
    await isInStep(client);
    expect(seen[0]!.recipients).toEqual(['<a@d.example>', '<later@d.example>']);
  });

  test('a thousand, in one write with all commands', async () => {
    const client = await greeted({ config: { max_commands: '0' } });
    const names = Array.from({ length: 1_000 }, (_, index) =>
      index % 3 === 0 ? `later${index}` : `u${index}`,
    );
    const rcpts = names.map((name) => `RCPT TO:<${name}@d.example>\r\n`);
    client.send(`MAIL FROM:<s@c.example>\r\n${rcpts.join('')}DATA\r\n`);
    const envelope = await replies(client, 1_002);
    expect(envelope.at(-1)).toMatch(/^354/);
    client.send(`${MESSAGE}.\r\nNOOP\r\nQUIT\r\n`);
    expect(await replies(client, 1_000)).toEqual(
      names.map((name) => (name.startsWith('l') ? `452 4.2.2 ${name} is full` : `250 2.1.5 ${name} has it`)),
    );
    expect(await client.reply()).toBe('250 2.0.0 OK');
    expect(await client.reply()).toMatch(/^221 2\.0\.0/);
    expect(await client.isClosed()).toBe(true);
  });

  test('several messages, the replies of each for its own recipients', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'b');
    expect(await data(client, 2)).toHaveLength(2);
    await envelope(client, 'never', 'x', 'y');
    expect(await data(client, 3)).toEqual(['550 5.1.1 no never', '250 2.1.5 x has it', '250 2.1.5 y has it']);
    await envelope(client, 'z');
    await client.say('RSET');
    await envelope(client, 'q');
    expect(await data(client, 1)).toEqual(['250 2.1.5 q has it']);
    await isInStep(client);
  });

  test('without a recipient there is no message: 503', async () => {
    const client = await greeted();
    await envelope(client, 'nobody');
    expect(await client.say('DATA')).toBe('503 5.5.1 Send RCPT first; no recipient was accepted');
    await isInStep(client);
  });

  test.each([
    ['data_post', definePlugin({ name: 'p', about: 'x', hooks: { data_post: () => deny('bad mail') } }), 552],
    ['queue', definePlugin({ name: 'p', about: 'x', hooks: { queue: () => denySoft('no room') } }), 452],
    [
      'a declining queue',
      definePlugin({ name: 'p', about: 'x', hooks: { queue: () => decline('no') } }),
      451,
    ],
    ['no queue', definePlugin({ name: 'p', about: 'x', hooks: {} }), 451],
    [
      'queue_pre',
      definePlugin({ name: 'p', about: 'x', hooks: { queue_pre: () => denySoft('illegal') } }),
      451,
    ],
    [
      'a failing plugin',
      definePlugin({
        name: 'p',
        about: 'x',
        hooks: {
          data_headers_end: () => {
            throw new Error('broken');
          },
        },
      }),
      452,
    ],
  ])('what %s says holds for all of them', async (_, plugin, code) => {
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b', 'c');
    const [first, ...others] = await data(client, 3);
    expect(first).toMatch(new RegExp(`^${code} [45]\\.`));
    expect(others).toEqual([first, first]);
    await isInStep(client);
  });

  test.each([
    ['bare line ends', `Subject: x\n\r\nx\r\n.\r\n`, /^550 5\.6\.11/],
    ['too many octets', `Subject: x\r\n\r\n${'x'.repeat(500)}\r\n.\r\n`, /^552 5\.3\.4/],
  ])('a message with %s is refused for each', async (_, content, expected) => {
    const client = await greeted({ config: { databytes: '400' } });
    await envelope(client, 'a', 'b');
    expect(await client.say('DATA')).toMatch(/^354/);
    client.send(content);
    for (const reply of await replies(client, 2)) expect(reply).toMatch(expected);
    await isInStep(client);
    expect(seen).toEqual([]);
  });

  test('a refusal that closes the connection comes for each before it', async () => {
    const plugin = definePlugin({ name: 'p', about: 'x', hooks: { data_post: () => denyDisconnect('bye') } });
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b');
    expect(await data(client, 2)).toEqual(['552 5.7.1 bye', '552 5.7.1 bye']);
    expect(await client.isClosed()).toBe(true);
    expect(await client.reply()).toBe('');
  });

  test('421 comes once', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'b');
    await client.say('DATA');
    client.send('Subject: x\r\n\r\nx\n.\n');
    expect(await client.reply()).toMatch(/^421 4\.5\.2/);
    expect(await client.isClosed()).toBe(true);
    expect(await client.reply()).toBe('');
  });

  test('a plugin that answers itself leaves the next command its own reply', async () => {
    const plugin = definePlugin({ name: 'p', about: 'x', hooks: { data_post: () => done } });
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b');
    await client.say('DATA');
    client.send(`${MESSAGE}.\r\nRSET\r\nVRFY x\r\n`);
    expect(await replies(client, 2)).toEqual([
      '250 2.0.0 OK',
      '252 2.1.5 Cannot verify the user; send the message and it will be tried',
    ]);
  });

  test('a fault of ours defers it for each, and the session goes on', async () => {
    const plugin = definePlugin({
      name: 'p',
      about: 'Fails at the end of each message.',
      hooks: {},
      cutThrough: () => ({
        begin: () => ({
          offer: () => Promise.resolve(ok()),
          open: () => Promise.resolve(ok()),
          write: () => undefined,
          drained: () => undefined,
          finish() {
            throw new Error('broken');
          },
          reset: () => undefined,
          close: () => undefined,
        }),
      }),
    });
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b');
    for (const reply of await data(client, 2)) expect(reply).toMatch(/^451 4\.3\.0 Internal error/);
    await isInStep(client);
  });

  test('DATA that a plugin refuses has one reply', async () => {
    const plugin = definePlugin({ name: 'p', about: 'x', hooks: { data: () => deny('no') } });
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b');
    expect(await client.say('DATA')).toBe('554 5.7.1 no');
    await isInStep(client);
  });

  test('a client that leaves inside the message leaves nothing behind', async () => {
    const server = await start();
    const client = server.connect(LMTP);
    await client.reply();
    await client.say('LHLO client.example');
    await envelope(client, 'a', 'b');
    await client.say('DATA');
    client.send('Subject: half\r\n');
    client.destroy();
    await expect.poll(() => server.server.sessions).toBe(0);
    expect(seen).toEqual([]);
  });
});

describe('outlets of our own', () => {
  test('queue/routes answers for each route, and for who has none', async () => {
    const client = await greeted({
      plugins: [doorman, 'queue/routes'],
      definitions: [outlet],
      config: { routes: ['d.example discard', 'f.example queue/fates'] },
    });
    await client.say('MAIL FROM:<s@c.example>');
    for (const path of ['a@d.example', 'a@e.example', 'later@f.example', 'b@d.example'])
      await client.say(`RCPT TO:<${path}>`);
    expect((await data(client, 4)).map((reply) => reply.slice(0, 9))).toEqual([
      '250 2.6.0',
      '550 5.1.2',
      '452 4.2.2',
      '250 2.6.0',
    ]);
    await isInStep(client);
  });

  test('queue/maildir delivers to those who can have a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-lmtp-'));
    try {
      const client = await greeted({ plugins: [doorman, `queue/maildir ${folder} %d/%l.%l.%l.%l`] });
      await client.say('MAIL FROM:<s@c.example>');
      for (const path of ['a@d.example', `${'x'.repeat(64)}@d.example`])
        await client.say(`RCPT TO:<${path}>`);
      expect((await data(client, 2)).map((reply) => reply.slice(0, 3))).toEqual(['250', '553']);
      expect(readdirSync(join(folder, 'd.example/a.a.a.a/new'))).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('recipients that plugins change', () => {
  const changing = (change: (name: string) => string | undefined) =>
    definePlugin({
      name: 'aliases',
      about: 'Puts other recipients in place of those that were named.',
      hooks: {
        data_post({ transaction }) {
          for (const { address } of [...transaction.recipients]) {
            const name = change(address.localPart);
            if (name === address.localPart) continue;
            transaction.removeRecipient(address);
            const Address = address.constructor as new (localPart: string, domain: string) => typeof address;
            if (name !== undefined) transaction.addRecipient(new Address(name, address.domain));
          }
        },
      },
    });

  test('with others among them there is one fate for all: the client would not know of those it must retry', async () => {
    const client = await greeted({
      plugins: [doorman, changing((name) => (name === 'a' ? 'later' : name)), outlet],
    });
    await envelope(client, 'a', 'b');
    expect(await data(client, 2)).toEqual(['452 4.2.2 later is full', '452 4.2.2 later is full']);
    expect(seen).toMatchObject([{ isTracked: false }]);
  });

  test('one that was taken away is answered like the message', async () => {
    const client = await greeted({
      plugins: [doorman, changing((name) => (name === 'gone' ? undefined : name)), outlet],
    });
    await envelope(client, 'gone', 'b');
    expect(await data(client, 2)).toEqual(['250 2.1.5 b has it', '250 2.1.5 b has it']);
    expect(seen).toMatchObject([{ isTracked: true, recipients: ['<b@d.example>'] }]);
  });
});

describe('BDAT', () => {
  test('each chunk has one reply, the last one for each recipient', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'later', 'nobody', 'a');
    client.send(`BDAT 12\r\nSubject: x\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n`);
    expect(await replies(client, 6)).toEqual([
      '250 2.0.0 12 octets received',
      '250 2.0.0 2 octets received',
      '250 2.1.5 a has it',
      '452 4.2.2 later is full',
      '250 2.1.5 a has it',
      '250 2.0.0 OK',
    ]);
    expect(seen[0]!.content).toMatch(/\r\nSubject: x\r\n\r\nx\r\n$/);
  });

  test('an empty last chunk answers for each, too', async () => {
    const client = await greeted();
    await envelope(client, 'a', 'b');
    client.send(`BDAT ${MESSAGE.length}\r\n${MESSAGE}BDAT 0 LAST\r\n`);
    expect(await replies(client, 3)).toEqual([
      `250 2.0.0 ${MESSAGE.length} octets received`,
      '250 2.1.5 a has it',
      '250 2.1.5 b has it',
    ]);
    await isInStep(client);
  });

  test('without a recipient: 503 for the chunk, whether it is the last or not', async () => {
    const client = await greeted();
    await envelope(client, 'nobody');
    client.send('BDAT 3\r\nabcBDAT 3 LAST\r\nabc');
    expect((await replies(client, 2)).map((reply) => reply.slice(0, 9))).toEqual(['503 5.5.1', '503 5.5.1']);
    await isInStep(client);
  });

  test('a refused chunk has one reply, and the last of its message one for each', async () => {
    const client = await greeted({ config: { databytes: '10' } });
    await envelope(client, 'a', 'b');
    client.send('BDAT 12\r\nSubject: x\r\nBDAT 3\r\nabcBDAT 3 LAST\r\nabc');
    for (const reply of await replies(client, 4)) expect(reply).toMatch(/^552 5\.3\.4/);
    await isInStep(client);
    await envelope(client, 'a', 'b', 'c');
    client.send('BDAT 12 LAST\r\nSubject: x\r\n');
    for (const reply of await replies(client, 3)) expect(reply).toMatch(/^552 5\.3\.4/);
    await isInStep(client);
  });

  test('a message that a plugin refuses before its content, in one chunk and in several', async () => {
    const plugin = definePlugin({ name: 'p', about: 'x', hooks: { data: () => deny('no') } });
    const client = await greeted({ plugins: [doorman, plugin] });
    await envelope(client, 'a', 'b');
    client.send('BDAT 3 LAST\r\nabc');
    expect(await replies(client, 2)).toEqual(['554 5.7.1 no', '554 5.7.1 no']);
    await isInStep(client);
    await envelope(client, 'a', 'b');
    client.send('BDAT 3\r\nabcBDAT 3 LAST\r\nabc');
    expect(await replies(client, 3)).toEqual(['554 5.7.1 no', '554 5.7.1 no', '554 5.7.1 no']);
    await isInStep(client);
  });
});

describe('the spec of a listener', () => {
  test.each(['tcp://127.0.0.1:24 lmtp=yes', 'unix:/run/lmtp.sock lmtp=yes'])(
    '%s is printed as it was read',
    (spec) => expect(printListen(parseListen(spec))).toBe(spec),
  );

  test('lmtp=no is the same as without', () => {
    expect(printListen(parseListen('tcp://127.0.0.1:25 lmtp=no'))).toBe('tcp://127.0.0.1:25');
  });

  test.each([
    [
      'tcp://127.0.0.1:25 lmtp=yes',
      /clients of port 25 speak SMTP \(LMTP takes another, RFC 2033 section 5\)/,
    ],
    ['tcp://127.0.0.1:24 lmtp=maybe', /"lmtp=maybe" is not understood \(lmtp=yes or lmtp=no\)/],
    ['tcp://127.0.0.1:24 lmpt=yes', /"lmpt=yes" is not understood.*lmtp/],
  ])('%s is refused', (spec, problem) => {
    expect(() => parseListen(spec)).toThrow(problem);
  });
});
