/** Listeners that name a service: its clients meet the plugins and settings of its own files, and others do not. */

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, ok, type LogEvent } from '../../bindings/plugin/index.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { Server, type ServerOptions } from '../../host/server/server.ts';
import { TestClient, TestServer, type TestServerOptions } from '../../host/testing/index.ts';
import { put, scratch } from '../config/scratch.ts';
import { CertificateFolder, makePair } from '../tls/secure-server.ts';

const closings: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closings.splice(0).map((close) => close())));

async function start(options: TestServerOptions): Promise<TestServer> {
  const server = await TestServer.start({ listenerServices: ['submission'], ...options });
  closings.push(() => server.close());
  return server;
}

/** A plugin that accepts every recipient with its own name. */
const accepting = (name: string) =>
  definePlugin({
    name,
    about: '',
    hooks: { rcpt: () => ok(), mail: () => undefined, queue: () => ok(name) },
  });

/** Says goodbye, and is gone at once. */
async function quit(client: TestClient): Promise<void> {
  expect(await client.say('QUIT')).toMatch(/^221 /);
  client.stream.destroy();
}

async function send(client: TestClient): Promise<string> {
  await client.say('MAIL FROM:<a@x.example>');
  await client.say('RCPT TO:<b@x.example>');
  await client.say('DATA');
  return client.say('Subject: x\r\n\r\nx\r\n.');
}

describe('a listener with a service', () => {
  test('has its own plugins; a listener without one has those of `plugins`', async () => {
    const server = await start({
      plugins: [accepting('one')],
      definitions: [accepting('two')],
      config: { 'plugins.submission': 'two' },
    });
    expect(await send(await server.greeted())).toMatch(/^250 one/);
    expect(await send(await server.greeted({ service: 'submission' }))).toMatch(/^250 two/);
  });

  test('has its own limits and settings, and the general ones where it has none', async () => {
    const server = await start({
      config: {
        'plugins.submission': [],
        databytes: '1000',
        'databytes.submission': '2000',
        'smtpgreeting.submission': 'hello',
        'reply_style.submission': 'enhanced',
        max_recipients: '7',
      },
    });
    const ehloOf = async (service?: string): Promise<string> => {
      const client = server.connect(service === undefined ? {} : { service });
      return `${await client.reply()}\n${await client.say('EHLO x.example')}`;
    };
    const [plain, submission] = [await ehloOf(), await ehloOf('submission')];
    expect(plain).toContain('250-SIZE 1000\n');
    expect(plain).not.toContain('hello');
    expect(plain).not.toContain('ENHANCEDSTATUSCODES');
    expect(submission).toContain('220 hello ESMTP');
    expect(submission).toContain('250-SIZE 2000\n');
    expect(submission).toContain('ENHANCEDSTATUSCODES');
    for (const text of [plain, submission]) expect(text).toContain('RCPTMAX=7');
  });

  test('is known to plugins and told in the log of the service, at level 6', async () => {
    const seen: (string | undefined)[] = [];
    const watch = definePlugin({
      name: 'watch',
      about: '',
      hooks: { connect: ({ connection }) => void seen.push(connection.service) },
    });
    const lines: LogEvent[] = [];
    const sink = definePlugin({
      name: 'sink',
      about: '',
      hooks: { logging: (_, event) => void lines.push(event) },
    });
    const server = await start({
      plugins: [watch],
      definitions: [sink],
      config: { 'plugins.submission': 'watch', 'logging.submission': 'sink' },
    });
    await server.connect().reply();
    await server.connect({ service: 'submission' }).reply();
    expect(seen).toEqual([undefined, 'submission']);
    const told = lines.filter(({ text }) => text === 'service submission');
    expect(told.map(({ level }) => level)).toEqual([6]);
    expect(lines.filter(({ text }) => text.startsWith('Connection from'))).toHaveLength(1);
  });

  test('asks post-fork of its plugins once, and a fault there leaves the others alone', async () => {
    const begun: string[] = [];
    const starting = (name: string) =>
      definePlugin({
        name,
        about: '',
        hooks: {
          'post-fork': () => {
            begun.push(name);
            if (name === 'bad') throw new Error('broken');
          },
          connect: () => (name === 'bad' ? deny('bad') : undefined),
        },
      });
    const server = await start({
      plugins: [starting('good')],
      definitions: [starting('bad')],
      config: { 'plugins.submission': 'bad' },
    });
    expect(begun.sort()).toEqual(['bad', 'good']);
    expect(await server.connect().reply()).toMatch(/^220 /);
    expect(await server.connect({ service: 'submission' }).reply()).toMatch(/^550.* bad/);
  });
});

test('a fault in the plugin of one service does not touch the other', async () => {
  const thrower = definePlugin({
    name: 'thrower',
    about: '',
    onError: 'defer',
    hooks: {
      mail: () => {
        throw new Error('broken');
      },
    },
  });
  const server = await start({
    plugins: [accepting('one')],
    definitions: [thrower, accepting('two')],
    config: { 'plugins.submission': ['thrower', 'two'] },
  });
  const [plain, submission] = [await server.greeted(), await server.greeted({ service: 'submission' })];
  expect(await submission.say('MAIL FROM:<a@x.example>')).toMatch(/^4/);
  expect(await send(plain)).toMatch(/^250 one/);
});

describe('TLS', () => {
  const folder = new CertificateFolder();
  afterAll(() => folder.remove());

  /** The name in the certificate that a client is shown. */
  async function shownBy(acceptor: MemoryAcceptor): Promise<string> {
    const secure = connectTls({ socket: acceptor.connect(), rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    const { CN } = secure.getPeerCertificate().subject;
    secure.destroy();
    return String(CN);
  }

  test('shows each service its own certificate, and none where the service offers none', async () => {
    const [mx, submission] = ['mx.test', 'submission.test'].map((name) => folder.write(name, makePair(name)));
    const directory = put(scratch(), {
      plugins: `tls ${mx}\nqueue/discard\n`,
      'plugins.a': `tls ${submission}\nqueue/discard\n`,
      'plugins.b': 'queue/discard\n',
    });
    const plain = new MemoryAcceptor({ startsWithTls: true });
    const a = new MemoryAcceptor({ service: 'a', startsWithTls: true });
    const b = new MemoryAcceptor({ service: 'b' });
    const server = await Server.load({ acceptors: [plain, a, b], directories: [directory] });
    closings.push(() => server.drain(0));
    await server.listen();
    expect([await shownBy(plain), await shownBy(a)]).toEqual(['mx.test', 'submission.test']);
    const without = new TestClient(b.connect());
    await without.reply();
    expect(await without.say('EHLO x.example')).not.toContain('STARTTLS');
  });
});

describe('max_connections of a service', () => {
  test('is how many of its clients are served at a time; others are turned away, and the rest is not held to it', async () => {
    const server = await start({ config: { 'plugins.submission': [], 'max_connections.submission': '2' } });
    const submission = { service: 'submission' };
    const first = await server.greeted(submission);
    await server.greeted(submission);
    expect(await server.connect(submission).reply()).toMatch(/^421 /);
    for (let count = 0; count < 3; count++) expect(await server.connect().reply()).toMatch(/^220 /);
    await quit(first);
    await expect.poll(() => server.server.sessions).toBe(4);
    expect(await server.connect(submission).reply()).toMatch(/^220 /);
    expect(await server.connect(submission).reply()).toMatch(/^421 /);
  });

  test('counts sessions of the configuration before a reload, and leaves no place behind', async () => {
    const server = await start({ config: { 'plugins.submission': [], 'max_connections.submission': '1' } });
    const submission = { service: 'submission' };
    const first = await server.greeted(submission);
    await server.server.reload();
    expect(await server.connect(submission).reply()).toMatch(/^421 /);
    await quit(first);
    await expect.poll(() => server.server.sessions).toBe(0);
    for (let count = 0; count < 3; count++) {
      const client = await server.greeted(submission);
      await quit(client);
      await expect.poll(() => server.server.sessions).toBe(0);
    }
  });

  test('is that of all workers together', async () => {
    const { connect } = await serve(
      { plugins: 'queue/discard', 'plugins.a': 'queue/discard', 'max_connections.a': '3' },
      { workers: 2 },
      'a',
    );
    const greetings = [await connect('a').reply(), await connect('a').reply(), await connect('a').reply()];
    expect(greetings.map((line) => line.slice(0, 3))).toEqual(['220', '220', '421']);
  });

  test('that only the general file has is no limit of the service: it is that of the daemon', async () => {
    const server = await start({ config: { 'plugins.submission': [], max_connections: '1' } });
    for (let count = 0; count < 2; count++)
      expect(await server.connect({ service: 'submission' }).reply()).toMatch(/^220 /);
  });
});

/** A server over the files of a directory, with a listener for each of `services`; `''` stands for one without. */
async function serve(
  files: Readonly<Record<string, string>>,
  options: Partial<ServerOptions> = {},
  ...services: readonly string[]
) {
  const folder = put(scratch(), { me: 'mx.test', ...files });
  const acceptors = services.map((service) => new MemoryAcceptor(service === '' ? {} : { service }));
  const server = await Server.load({
    acceptors,
    directories: [folder],
    reverseLookup: noReverseLookup,
    ...options,
  });
  closings.push(() => server.drain(0));
  await server.listen();
  const connect = (service = ''): TestClient =>
    new TestClient(acceptors[services.indexOf(service)]!.connect());
  return { server, folder, connect };
}

describe('a reload', () => {
  const GREETINGS = {
    plugins: 'queue/discard',
    'plugins.a': 'queue/discard',
    'plugins.b': 'queue/discard',
    'smtpgreeting.a': 'a1',
    'smtpgreeting.b': 'b1',
  };

  test('takes what has changed for new clients of one service; sessions of both keep their rules', async () => {
    const { server, folder, connect } = await serve(GREETINGS, {}, '', 'a');
    const before = connect('a');
    await before.reply();
    await before.say('EHLO x.example');
    put(folder, { 'plugins.a': 'rcpt_ok\nqueue/discard\n' });
    await server.reload();
    const after = connect('a');
    await after.reply();
    await after.say('EHLO x.example');
    for (const client of [before, after]) await client.say('MAIL FROM:<a@x.example>');
    // Nobody decides about recipients in the chain of before; rcpt_ok does in that of after.
    expect(await before.say('RCPT TO:<b@elsewhere.example>')).toMatch(/^450 /);
    expect(await after.say('RCPT TO:<b@elsewhere.example>')).toMatch(/^550 /);
  });

  test('that any service keeps from loading leaves all of them as they are, and names file and line', async () => {
    const { server, folder, connect } = await serve(GREETINGS, {}, '', 'a', 'b');
    const before = server.generation;
    put(folder, { plugins: 'rcpt_ok\nqueue/discard\n', 'plugins.b': 'queue/discard\nnonsense\n' });
    await expect(server.reload()).rejects.toThrow(
      `${join(folder, 'plugins.b')}:2: Plugin nonsense not found`,
    );
    expect(server.generation).toBe(before);
    for (const [service, text] of [
      ['a', 'a1'],
      ['b', 'b1'],
    ] as const)
      expect(await connect(service).reply()).toBe(`220 ${text} ESMTP`);
    put(folder, { 'plugins.b': 'queue/discard\n' });
    await server.reload();
    expect(server.generation).not.toBe(before);
  });

  test('closes the old one when its last session has ended, of whichever service', async () => {
    const closed: string[] = [];
    const closing = (name: string) =>
      definePlugin({
        name,
        about: '',
        hooks: ({ onClose }) => (onClose(() => void closed.push(name)), {}),
      });
    const server = await start({
      plugins: [closing('one')],
      definitions: [closing('two')],
      config: { 'plugins.submission': 'two' },
    });
    const [plain, submission] = [await server.greeted(), await server.greeted({ service: 'submission' })];
    await server.server.reload();
    await quit(plain);
    await expect.poll(() => server.server.sessions).toBe(1);
    expect(closed).toEqual([]);
    await quit(submission);
    await expect.poll(() => [...closed].sort()).toEqual(['one', 'two']);
  });

  test('under load loses no session of either service, and none changes its rules', async () => {
    const { server, folder, connect } = await serve(GREETINGS, {}, 'a', 'b');
    const rounds = 20;
    const dialogue = async (service: string): Promise<string[]> => {
      const greetings: string[] = [];
      for (let count = 0; count < rounds; count++) {
        const client = connect(service);
        greetings.push(await client.reply());
        await client.say('EHLO x.example');
        expect(await client.say('NOOP')).toMatch(/^250 /);
        await quit(client);
      }
      return greetings;
    };
    const reloads = async (): Promise<void> => {
      for (let count = 0; count < 5; count++) {
        put(folder, { 'plugins.a': `queue/discard\n${count % 2 === 0 ? 'rcpt_ok\n' : ''}` });
        await server.reload();
      }
    };
    const [a, b] = await Promise.all([dialogue('a'), dialogue('b'), reloads()]);
    expect(new Set(a)).toEqual(new Set(['220 a1 ESMTP']));
    expect(new Set(b)).toEqual(new Set(['220 b1 ESMTP']));
  });
});

describe('spools', () => {
  const chain = (spool: string, maildir: string): string =>
    `rcpt_ok\nqueue/spool ${spool} min_free 0 via maildir ${maildir}\n`;
  const files = { rcpthosts: 'x.example\n' };
  const delivered = (maildir: string): number =>
    existsSync(join(maildir, 'new')) ? readdirSync(join(maildir, 'new')).length : 0;
  const greet = async (client: TestClient): Promise<TestClient> => {
    await client.reply();
    await client.say('EHLO x.example');
    return client;
  };

  test('that two services name are one: both put into it, and it hands on the messages of both', async () => {
    const root = scratch();
    const lines = chain(`${root}/out`, `${root}/mail`);
    const { connect, server } = await serve({ ...files, plugins: lines, 'plugins.a': lines }, {}, '', 'a');
    for (const service of ['', 'a'])
      expect(await send(await greet(connect(service)))).toMatch(/^250 .*Queued/);
    await expect.poll(() => delivered(`${root}/mail`), { timeout: 30_000 }).toBe(2);
    await server.reload();
    expect(await send(await greet(connect('a')))).toMatch(/^250 .*Queued/);
    await expect.poll(() => delivered(`${root}/mail`), { timeout: 30_000 }).toBe(3);
  });

  test('of different services hand on side by side', async () => {
    const root = scratch();
    const { connect } = await serve(
      {
        ...files,
        plugins: chain(`${root}/out1`, `${root}/mail1`),
        'plugins.a': chain(`${root}/out2`, `${root}/mail2`),
      },
      {},
      '',
      'a',
    );
    for (const service of ['', 'a'])
      expect(await send(await greet(connect(service)))).toMatch(/^250 .*Queued/);
    for (const maildir of [`${root}/mail1`, `${root}/mail2`])
      await expect.poll(() => delivered(maildir), { timeout: 30_000 }).toBe(1);
  });

  test('that two services name with other options are refused: one of them would never count', async () => {
    const root = scratch();
    const folder = put(scratch(), {
      plugins: chain(`${root}/out`, `${root}/mail1`),
      'plugins.a': chain(`${root}/out`, `${root}/mail2`),
    });
    const acceptors = [new MemoryAcceptor(), new MemoryAcceptor({ service: 'a' })];
    await expect(Server.load({ acceptors, directories: [folder] })).rejects.toThrow(
      `the spool ${root}/out is used by another line with other options`,
    );
    await expect(Server.load({ acceptors, directories: [folder] })).rejects.toThrow(`${folder}/plugins.a:2`);
  });
});

describe('a service that no file belongs to', () => {
  const load = (files: Readonly<Record<string, string>>, ...services: string[]): Promise<unknown> =>
    serve({ plugins: 'queue/discard', ...files }, {}, ...services);

  test('is a slip of the pen: its listener is named, what is near, and what to do', async () => {
    const folder = put(scratch(), {
      plugins: 'queue/discard',
      'plugins.submission': 'queue/discard',
      listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:587 service=submision\n',
    });
    const acceptors = [new MemoryAcceptor({ service: 'submision' })];
    await expect(Server.load({ acceptors, directories: [folder] })).rejects.toThrow(
      `${join(folder, 'listeners')}:2: service=submision: no file belongs to this service (did you mean submission?); there is plugins.submission (write plugins.submision, or any other file X.submision in place of X; or leave service= out)`,
    );
  });

  test('is refused from the command line as well, and at a reload', async () => {
    await expect(load({}, 'other')).rejects.toThrow(
      '--listen: service=other: no file belongs to this service (',
    );
    const { server, folder } = await serve({ plugins: 'queue/discard', 'databytes.a': '1' }, {}, 'a');
    rmSync(join(folder, 'databytes.a'));
    await expect(server.reload()).rejects.toThrow('service=a: no file belongs to this service');
  });

  test('is one with backups alone, and none with any other file of its own', async () => {
    await expect(load({ 'plugins.bak': '' }, 'b')).rejects.toThrow('no file belongs');
    await expect(load({ 'me.a': 'a.test' }, 'a')).resolves.toBeDefined();
    await expect(load({ 'list.a.cdb': '' }, 'a')).resolves.toBeDefined();
  });
});

test('a client of a service that nothing was loaded for is turned away: it must not meet the rules of another', async () => {
  class Unspoken extends MemoryAcceptor {
    override get service(): undefined {
      return undefined;
    }
  }
  const acceptor = new Unspoken({ service: 'a' });
  const folder = put(scratch(), { plugins: 'queue/discard' });
  const server = await Server.load({ acceptors: [acceptor], directories: [folder] });
  closings.push(() => server.drain(0));
  await server.listen();
  expect(await new TestClient(acceptor.connect()).reply()).toMatch(/^421 /);
  expect(server.sessions).toBe(0);
});

test('with services alone there need be no general plugins', async () => {
  const { connect, server } = await serve({ 'plugins.a': 'queue/discard' }, {}, 'a');
  expect(await connect('a').reply()).toMatch(/^220 /);
  expect(server.generation.runtimes.map(({ service }) => service)).toEqual(['a']);
});

test('an empty list of plugins of a service is named as what it is', async () => {
  const { server } = await serve({ plugins: 'queue/discard', 'plugins.a': '# none\n' }, {}, '', 'a');
  expect(server.generation.of('a')!.plugins).toEqual([]);
});
