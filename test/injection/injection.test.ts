/** A message becomes a session of its own: through real sessions, with plugins that accept, refuse, defer and hang up. */

import { PassThrough, Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import {
  definePlugin,
  deny,
  denyDisconnect,
  denySoft,
  ok,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { inject, InjectionAborted, type InjectionOptions } from '../../host/injection/injection.ts';
import { ArrivingContent, WholeContent } from '../../host/injection/message-content.ts';
import { TestServer, type TestServerOptions } from '../../host/testing/test-server.ts';

let server: TestServer;
const queued: { readonly to: readonly string[]; readonly content: string }[] = [];
const parameters: ReadonlyMap<string, string | undefined>[] = [];

afterEach(async () => {
  queued.length = parameters.length = 0;
  await server.close();
});

/** `x550` and the like are refused with that code at RCPT, `bye` with a hang-up, everybody else is welcome. */
const recipients = definePlugin({
  name: 'recipients',
  about: 'Judges recipients by their local part.',
  hooks: () => ({
    mail: (_, __, given) => void parameters.push(given),
    rcpt: (_, { localPart: user }) => {
      const code = /^x(\d{3})/.exec(user)?.[1];
      if (user.startsWith('bye')) return denyDisconnect('go away');
      if (code === undefined) return ok();
      const verdict = code.startsWith('4') ? denySoft(`no, ${user}`) : deny(`no, ${user}`);
      return { ...verdict, replyCode: Number(code) };
    },
  }),
});

const keep = definePlugin({
  name: 'keep',
  about: 'Keeps messages.',
  hooks: () => ({
    queue: async ({ transaction }) => {
      const { message } = transaction;
      const blocks: Buffer[] = [];
      for await (const block of message.blocks('crlf')) blocks.push(Buffer.from(block));
      const to = transaction.recipients.map(({ address }) => String(address));
      queued.push({ to, content: Buffer.concat(blocks).toString('latin1') });
      return ok('kept');
    },
  }),
});

const start = async (more: TestServerOptions = {}, plugins: PluginDefinition[] = []): Promise<void> => {
  server = await TestServer.start({ ...more, plugins: [...plugins, recipients, keep] });
};

const said = (
  to: readonly string[],
  more: Partial<InjectionOptions> = {},
  options: InjectionOptions['envelope']['options'] = {},
): Parameters<typeof inject>[0] => ({
  connect: () => server.connectStream(),
  envelope: { from: 'a@example.org', to, options },
  content: new WholeContent(Buffer.from('Subject: x\n\n.dot\nend')),
  hello: '[127.0.0.1]',
  signal: new AbortController().signal,
  ...more,
});

test('a whole message with LF gets its line ends, and its dots survive', async () => {
  await start();
  const outcome = await inject(said(['b@example.org', 'b@example.org']));
  expect(outcome).toMatchObject({
    accepted: ['b@example.org'],
    rejected: [],
    reply: { code: 250, status: undefined, lines: ['kept'] },
    stage: 'end-of-data',
    isUnread: false,
  });
  expect(queued).toHaveLength(1);
  expect(queued[0]!.content).toMatch(/\r\n\r\n\.dot\r\nend\r\n$/);
});

test('what each recipient got stands with it; one that is accepted makes a message', async () => {
  await start();
  const outcome = await inject(said(['x550@example.org', 'b@example.org', 'x450@example.org']));
  expect(outcome.accepted).toEqual(['b@example.org']);
  expect(outcome.rejected.map(({ to, reply: { code }, stage }) => [to, code, stage])).toEqual([
    ['x550@example.org', 550, 'rcpt'],
    ['x450@example.org', 450, 'rcpt'],
  ]);
  expect(outcome.reply.code).toBe(250);
});

test('if nobody gets it, a temporary reply comes before a permanent one', async () => {
  await start();
  const outcome = await inject(said(['x550@example.org', 'x450@example.org']));
  expect(outcome).toMatchObject({ accepted: [], reply: { code: 450 }, stage: 'rcpt' });
  expect(queued).toEqual([]);
});

test('a thousand recipients go in as many messages as max_recipients makes of them', async () => {
  await start({ config: { max_recipients: '400' } });
  const to = Array.from({ length: 1_000 }, (_, index) => `u${index}@example.org`);
  const outcome = await inject(said(to));
  expect(outcome.rejected).toEqual([]);
  expect(outcome.accepted).toEqual(to);
  expect(queued.map((each) => each.to.length)).toEqual([400, 400, 200]);
});

test('the same where the session does not say how many it takes', async () => {
  await start({ config: { max_recipients: '60', extensions_off: 'LIMITS' } });
  const to = Array.from({ length: 130 }, (_, index) => `u${index}@example.org`);
  const outcome = await inject(said(to));
  expect([...outcome.accepted].sort()).toEqual([...to].sort());
  expect(queued.map((each) => each.to.length)).toEqual([60, 60, 10]);
});

test('a session that ends for what it refused is followed by another', async () => {
  await start({ config: { max_refused_recipients: '3' } });
  const bad = Array.from({ length: 10 }, (_, index) => `x550.${index}@example.org`);
  const outcome = await inject(said([...bad, 'b@example.org']));
  expect(outcome.accepted).toEqual(['b@example.org']);
  expect(outcome.rejected.filter(({ reply }) => reply.code === 550)).toHaveLength(bad.length);
});

test('a recipient that makes a plugin hang up does not take the others along', async () => {
  await start();
  const outcome = await inject(said(['b@example.org', 'bye@example.org', 'c@example.org']));
  expect(outcome.accepted).toEqual(['b@example.org', 'c@example.org']);
  expect(outcome.rejected).toMatchObject([{ to: 'bye@example.org', reply: { code: 550 } }]);
});

test('plugins that hang up all the time are not asked for ever', async () => {
  let connections = 0;
  await start();
  const to = Array.from({ length: 40 }, (_, index) => `bye${index}@example.org`);
  const connect = (): ReturnType<InjectionOptions['connect']> => {
    connections++;
    return server.connectStream();
  };
  const outcome = await inject(said(to, { connect }));
  expect(outcome.accepted).toEqual([]);
  expect(outcome.rejected).toHaveLength(40);
  expect(connections).toBe(16);
});

test('max_transactions is no limit of a batch: another session goes on', async () => {
  await start({ config: { max_recipients: '1', max_transactions: '2' } });
  const outcome = await inject(said(['b@example.org', 'c@example.org', 'd@example.org']));
  expect(outcome.accepted).toEqual(['b@example.org', 'c@example.org', 'd@example.org']);
});

test.each([
  ['connect', { hooks: () => ({ connect: () => deny('no') }) }, 550],
  ['ehlo', { hooks: () => ({ ehlo: () => denySoft('no') }) }, 450],
  ['mail', { hooks: () => ({ mail: () => deny('no') }) }, 550],
  ['data', { hooks: () => ({ data: () => denySoft('no') }) }, 451],
  ['end-of-data', { hooks: () => ({ data_post: () => deny('no') }) }, 552],
] as const)('a refusal at %s is told with its stage', async (stage, hooks, code) => {
  await start({}, [definePlugin({ name: 'refuse', about: 'Refuses.', ...hooks })]);
  const outcome = await inject(said(['b@example.org']));
  expect(outcome).toMatchObject({ accepted: [], rejected: [{ to: 'b@example.org' }], stage });
  expect(outcome.reply.code).toBe(code);
});

test('parameters are those of the envelope, and what the content needs', async () => {
  await start({ config: { databytes: '1000' } });
  await inject(said(['b@example.org'], {}, { ret: 'HDRS', envid: 'abc' }));
  await inject(said(['ä@example.org'], { content: new WholeContent(Buffer.from('Subject: ä\n')) }));
  expect(parameters.map((each) => [...each.keys()])).toEqual([
    ['size', 'ret', 'envid'],
    ['size', 'body', 'smtputf8'],
  ]);
});

test('a message that is too large is refused before it is read', async () => {
  await start({ config: { databytes: '1000' } });
  const source = new Readable({ read: () => expect.unreachable() });
  const outcome = await inject(said(['b@example.org'], { content: new ArrivingContent(source, 1_001) }));
  expect(outcome).toMatchObject({ reply: { code: 552 }, stage: 'mail', isUnread: true });
});

test('one that turns out too large is refused with what came of it', async () => {
  await start({ config: { databytes: '1000' } });
  const source = new PassThrough();
  source.end('x'.repeat(2_000));
  const outcome = await inject(said(['b@example.org'], { content: new ArrivingContent(source, undefined) }));
  expect(outcome).toMatchObject({ reply: { code: 552 }, stage: 'end-of-data' });
});

test('an arriving message is taken as fast as the session takes it, and is the same', async () => {
  await start();
  let produced = 0;
  const block = Buffer.from(`${'0123456789'.repeat(7)}\r\n`.repeat(800));
  const source = Readable.from(
    (function* () {
      yield Buffer.from('Subject: x\r\n\r\n');
      for (; produced < 400; produced++) yield block;
    })(),
    { objectMode: false },
  );
  const outcome = await inject(said(['b@example.org'], { content: new ArrivingContent(source, undefined) }));
  expect(outcome.reply.code).toBe(250);
  expect(queued[0]!.content.endsWith(block.toString().repeat(400))).toBe(true);
});

test.each(['x\r.\r\n', 'x\rx'])('a lone CR is refused, never mended: %j', async (text) => {
  await start();
  const content = new WholeContent(Buffer.from(`Subject: x\n\n${text}`));
  const outcome = await inject(said(['b@example.org'], { content }));
  expect(outcome).toMatchObject({ accepted: [], reply: { code: 550 }, stage: 'end-of-data' });
  expect(queued).toEqual([]);
});

test('a content that breaks off is no message', async () => {
  await start();
  const source = new PassThrough();
  source.write('Subject: x\r\n\r\n');
  const injected = inject(said(['b@example.org'], { content: new ArrivingContent(source, undefined) }));
  setImmediate(() => source.destroy(new Error('aborted')));
  await expect(injected).rejects.toThrow(InjectionAborted);
  await expect.poll(() => server.server.sessions).toBe(0);
  expect(queued).toEqual([]);
});

test('a client that goes before its message is whole ends the session; one that goes after that changes nothing', async () => {
  let gone = new AbortController();
  await start({}, [
    definePlugin({ name: 'late', about: 'Late.', hooks: () => ({ data_post: () => gone.abort() }) }),
  ]);
  const outcome = await inject(said(['b@example.org'], { signal: gone.signal }));
  expect(outcome.accepted).toEqual(['b@example.org']);

  gone = new AbortController();
  const early = inject(
    said(['c@example.org'], {
      signal: gone.signal,
      content: new ArrivingContent(new PassThrough(), undefined),
    }),
  );
  gone.abort();
  await expect(early).rejects.toThrow(InjectionAborted);
  await expect.poll(() => server.server.sessions).toBe(0);
  expect(queued).toHaveLength(1);
});

test('a session that does not exist is a reason to come back', async () => {
  await start();
  const connect = (): ReturnType<InjectionOptions['connect']> => {
    const stream = new PassThrough();
    stream.destroy();
    return stream;
  };
  expect(await inject(said(['b@example.org'], { connect }))).toMatchObject({
    accepted: [],
    reply: { code: 421 },
    stage: 'connect',
  });
});
