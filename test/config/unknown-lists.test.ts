/** What clients are told while a list cannot be read: a fault of ours is never the reason for a 550. */

import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server as WebServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  definePlugin,
  deny,
  fail,
  LogLevel,
  ok,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { MemoryAcceptor } from '../../host/intake/memory-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestClient, TestServer } from '../../host/testing/index.ts';
import { makeDatabase } from './make-database.ts';
import { put, scratch } from './scratch.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const task of cleanUp.splice(0).reverse()) await task();
});

/** A server over a real directory of configuration. */
async function serve(directory: string, definitions: readonly PluginDefinition[] = []) {
  const acceptor = new MemoryAcceptor();
  const server = await Server.load({
    acceptors: [acceptor],
    directories: [directory],
    definitions,
    reverseLookup: noReverseLookup,
  });
  await server.listen();
  cleanUp.push(() => server.drain(0));
  const greeted = async (): Promise<TestClient> => {
    const client = new TestClient(acceptor.connect());
    await client.reply();
    await client.say('EHLO client.example');
    return client;
  };
  return { server, greeted };
}

const site = (files: Record<string, string | Uint8Array>): string =>
  put(scratch(), { me: 'mx.test\n', plugins: 'rcpt_ok\nqueue/discard\n', ...files });

const rcpt = async (client: TestClient, path: string): Promise<string> => {
  await client.say('RSET');
  await client.say('MAIL FROM:<a@b.example>');
  return client.say(`RCPT TO:<${path}>`);
};

describe('rcpt_ok', () => {
  test('goes by the last good lists while the files are broken, and by the new ones afterwards', async () => {
    const directory = site({
      rcpthosts: 'listed.example\n',
      'morercpthosts.cdb': makeDatabase([['mapped.example', '']]),
    });
    const { greeted } = await serve(directory);
    const client = await greeted();
    expect(await rcpt(client, 'u@listed.example')).toMatch(/^250 /);
    expect(await rcpt(client, 'u@mapped.example')).toMatch(/^250 /);
    expect(await rcpt(client, 'u@other.example')).toMatch(/^550 /);
    // A copy that stopped half way, and a directory that a slip of the hand left behind.
    const database = join(directory, 'morercpthosts.cdb');
    truncateSync(database, readFileSync(database).length - 8);
    rmSync(join(directory, 'rcpthosts'));
    mkdirSync(join(directory, 'rcpthosts'));
    put(directory, { signal: '1\n' });
    for (let time = 0; time < 30; time++) {
      expect(await rcpt(client, 'u@listed.example')).toMatch(/^250 /);
      expect(await rcpt(client, 'u@mapped.example')).toMatch(/^250 /);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    writeFileSync(`${database}.new`, makeDatabase([['new.example', '']]));
    renameSync(`${database}.new`, database);
    await expect.poll(() => rcpt(client, 'u@new.example')).toMatch(/^250 /);
    expect(await rcpt(client, 'u@listed.example')).toMatch(/^250 /);
    expect(await rcpt(client, 'u@mapped.example')).toMatch(/^550 /);
  });

  test.each([
    ['a truncated morercpthosts.cdb', { 'morercpthosts.cdb': makeDatabase([['a', '']]).subarray(0, -1) }, /morercpthosts\.cdb: the constant database is damaged .*rename it/], // prettier-ignore
    ['a directory instead of rcpthosts', { 'rcpthosts/x': '' }, /rcpthosts: can't be read \(EISDIR\) \(put a file/], // prettier-ignore
    ['an rcpthosts that includes itself', { rcpthosts: '$include rcpthosts\n' }, /Circular .*\(break the circle\)/], // prettier-ignore
  ])('%s keeps the daemon from starting, with file and remedy', async (_, files, error) => {
    await expect(serve(site(files as Record<string, string>))).rejects.toThrow(error);
  });

  test('with a broken list a HUP changes nothing: the lists of before go on serving', async () => {
    const directory = site({ rcpthosts: 'listed.example\n' });
    const { server, greeted } = await serve(directory);
    rmSync(join(directory, 'rcpthosts'));
    mkdirSync(join(directory, 'rcpthosts'));
    await server.reload().catch(() => undefined);
    expect(await rcpt(await greeted(), 'u@listed.example')).toMatch(/^250 /);
  });
});

describe('a list that is unknown', () => {
  /** A plugin that does not look at its list before it has to, whatever it says about its failures. */
  const lazy = (hook: 'mail' | 'rcpt' | 'connect' | 'data_post', onError?: 'skip' | 'defer') =>
    definePlugin({
      name: 'lazy',
      about: '',
      ...(onError !== undefined && { onError }),
      hooks: {
        [hook]: ({ config }: { config: { lines(name: string): readonly string[] } }) =>
          config.lines('badlist').length > 0 ? deny('listed') : undefined,
      },
    });

  test.each(['mail', 'rcpt', 'data_post'] as const)(
    'puts the client off in %s, whatever onError says, and is logged as an error once',
    async (hook) => {
      const directory = site({
        rcpthosts: 'x.example\n',
        plugins: 'lazy\nrcpt_ok\nqueue/discard\nlistener\n',
      });
      mkdirSync(join(directory, 'badlist'));
      const errors: string[] = [];
      const listener = definePlugin({
        name: 'listener',
        about: '',
        logsUpTo: () => LogLevel.ERROR,
        hooks: { logging: (_, line) => void errors.push(line.text) },
      });
      for (const onError of [undefined, 'skip', 'defer'] as const) {
        const { greeted } = await serve(directory, [lazy(hook, onError), listener]);
        errors.length = 0;
        const client = await greeted();
        // More often than a plugin may fail before it is taken out of the chain.
        for (let time = 0; time < 15; time++) {
          const replies = [
            await client.say('MAIL FROM:<a@b.example>'),
            await client.say('RCPT TO:<u@x.example>'),
          ];
          if (hook === 'data_post') {
            expect(await client.say('DATA')).toMatch(/^354 /);
            replies.push(await client.say('Subject: x\r\n\r\nx\r\n.'));
          }
          const reply = replies[hook === 'mail' ? 0 : hook === 'rcpt' ? 1 : 2];
          expect(reply).toMatch(/^45\d Internal error - please try again later/);
          await client.say('RSET');
        }
        const told = errors.filter((text) => text.includes('badlist'));
        expect(told).toEqual([
          `Plugin lazy, hook ${hook}: ${directory}/badlist: can't be read (EISDIR) ` +
            '(put a file in its place, or remove it); the client is put off',
        ]);
        rmSync(join(directory, 'badlist'), { recursive: true });
        await expect.poll(() => client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
        mkdirSync(join(directory, 'badlist'));
      }
    },
  );

  test('puts the client off at connect', async () => {
    const directory = site({ plugins: 'lazy\nrcpt_ok\nqueue/discard\n' });
    mkdirSync(join(directory, 'badlist'));
    const acceptor = new MemoryAcceptor();
    const server = await Server.load({
      acceptors: [acceptor],
      directories: [directory],
      definitions: [lazy('connect', 'skip')],
      reverseLookup: noReverseLookup,
    });
    await server.listen();
    cleanUp.push(() => server.drain(0));
    expect(await new TestClient(acceptor.connect()).reply()).toMatch(/^450 Internal error/);
  });
});

describe("a user's list", () => {
  test('that nobody can read is not an empty one: the recipient comes back', async () => {
    const users = definePlugin({
      name: 'users',
      about: '',
      hooks: {
        async user_config(_, address) {
          if (address.localPart === 'broken') throw new Error('EIO');
          return address.localPart === 'welcome' ? ok('b.example') : undefined;
        },
      },
    });
    const judge = definePlugin({
      name: 'judge',
      about: '',
      rejects: {},
      hooks: {
        async rcpt({ linesFor }, path) {
          const lines = await linesFor(path, 'whitelistsenders');
          return lines.length === 0 ? fail('not welcome') : undefined;
        },
      },
    });
    const server = await TestServer.start({
      plugins: [users, judge, 'rcpt_ok', 'queue/discard'],
      config: { rcpthosts: 'x.example' },
    });
    cleanUp.push(() => server.close());
    const client = await server.greeted();
    expect(await rcpt(client, 'welcome@x.example')).toMatch(/^250 /);
    expect(await rcpt(client, 'nobody@x.example')).toMatch(/^550 not welcome/);
    expect(await rcpt(client, 'broken@x.example')).toMatch(/^450 Internal error/);
  });
});

describe('a list from a web server', () => {
  let web: WebServer | undefined;
  afterEach(() => new Promise((resolve) => (web === undefined ? resolve(0) : web.close(resolve))));

  /** Has `rcpthosts` and nothing else, and answers with the status `statusOf` says. */
  async function webServer(statusOf: () => number): Promise<string> {
    web = createServer(({ url }, response) => {
      const status = statusOf();
      response.writeHead(status === 200 && url !== '/rcpthosts' ? 404 : status).end('listed.example');
    });
    await new Promise<void>((resolve) => web!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
  }

  test('that has not answered yet is not an empty one: recipients come back, and count once it has', async () => {
    let status = 503;
    const url = await webServer(() => status);
    const server = await TestServer.start({ plugins: [`http_config ${url}`, 'rcpt_ok', 'queue/discard'] });
    cleanUp.push(() => server.close());
    const client = await server.greeted();
    expect(await rcpt(client, 'u@listed.example')).toMatch(/^450 Internal error/);
    status = 200;
    // When the plugin asks again, which it does ten seconds after a failure.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    onTestFinished(() => void vi.useRealTimers());
    await expect.poll(() => rcpt(client, 'u@listed.example'), { interval: 200 }).toMatch(/^250 /);
  });

  test('is there before the first client, as far as plugins have read it at set-up', async () => {
    const url = await webServer(() => 200);
    const server = await TestServer.start({ plugins: [`http_config ${url}`, 'rcpt_ok', 'queue/discard'] });
    cleanUp.push(() => server.close());
    expect(await rcpt(await server.greeted(), 'u@listed.example')).toMatch(/^250 /);
  });

  test('that does not answer leaves it to the file, an empty one included', async () => {
    const url = await webServer(() => 503);
    const server = await TestServer.start({
      plugins: [`http_config ${url}`, 'rcpt_ok', 'queue/discard'],
      config: { rcpthosts: [] },
    });
    cleanUp.push(() => server.close());
    expect(await rcpt(await server.greeted(), 'u@listed.example')).toMatch(/^550 /);
  });
});
