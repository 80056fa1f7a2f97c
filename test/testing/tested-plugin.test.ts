/** One plugin asked by hand, and the clock both kinds of test share; by the exports of the kit alone. */

import { describe, expect, test } from 'vitest';
import {
  fakeResolver,
  MemoryFiles,
  MemoryLogs,
  MemoryStores,
  printVerdict,
  TestClock,
  testPlugin,
  TestServer,
} from '../../host/testing/index.ts';
import {
  connectionNote,
  connectionTask,
  defineOutlet,
  definePlugin,
  deny,
  LogLevel,
  ok,
  z,
  type HookContext,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';

describe('the clock', () => {
  test('stands still, and what waits for a time happens in order when it comes', () => {
    const clock = new TestClock(1_000);
    const happened: string[] = [];
    clock.after(20, () => happened.push(`b ${clock.now()}`));
    clock.after(10, () => {
      happened.push(`a ${clock.now()}`);
      clock.after(5, () => happened.push(`a2 ${clock.now()}`));
    });
    const cancel = clock.after(15, () => happened.push('never'));
    cancel();
    expect(clock.now()).toBe(1_000);
    clock.advance(19);
    expect(happened).toEqual(['a 1010', 'a2 1015']);
    clock.advance(1);
    expect(happened.at(-1)).toBe('b 1020');
    clock.set(0);
    expect(clock.now()).toBe(0);
  });

  test('ends the time a hook has to answer', async () => {
    const plugin = definePlugin({
      name: 'hangs',
      about: 'Never answers.',
      onError: 'defer',
      hooks: { connect: () => new Promise<undefined>(() => undefined) },
    });
    const { ask, clock, log } = testPlugin(plugin);
    const answer = ask('connect');
    clock.advance(30_000);
    expect((await answer).code).toBe(902);
    expect(log[0]).toContain('no answer within 30 s');
  });

  test('is that of a whole server: dates, time limits of clients, what expires', async () => {
    const clock = new TestClock(Date.UTC(2026, 0, 1, 12));
    const plugin = definePlugin({
      name: 'teller',
      about: 'Tells the time.',
      hooks: { noop: ({ services }) => deny(new Date(services.clock.now()).toISOString()) },
    });
    const server = await TestServer.start({ clock, plugins: [plugin], config: { timeout: '60\n' } });
    const client = await server.greeted();
    expect(await client.say('NOOP')).toContain('2026-01-01T12:00:00.000Z');
    clock.advance(59_000);
    expect(await client.say('NOOP')).toContain('2026-01-01T12:00:59.000Z');
    clock.advance(61_000);
    expect(await client.reply()).toMatch(/^421 /);
    await server.close();
  });
});

describe('a plugin', () => {
  const seen = connectionNote<string>('seen');
  const plugin = definePlugin({
    name: 'sample',
    about: 'For tests of the kit.',
    options: z.object({ word: z.string().default('no') }),
    positional: ['word'],
    hooks: {
      helo({ connection }, host) {
        connection.notes.set(seen, host);
      },
      rcpt: ({ options, connection }, { mailbox }, parameters) =>
        deny(`${options.word} ${mailbox} ${parameters.size} ${connection.remoteIp}`, '1.1'),
      data_post: ({ transaction }) =>
        ok(
          `${transaction.reversePath?.mailbox} ${transaction.recipients.length} ${transaction.message.header.get('Subject')}`,
        ),
    },
  });

  test('is asked with the arguments a test writes, and answers at a glance', async () => {
    const { ask, hooks, options, session } = testPlugin(plugin, {
      options: 'word nope',
      client: { remoteIp: '::1' },
    });
    expect(hooks).toEqual(['helo', 'rcpt', 'data_post']);
    expect(options).toEqual({ word: 'nope' });
    expect(printVerdict(await ask('helo', 'mail.example'))).toBe('DECLINED');
    expect(session.connection.notes.get(seen)).toBe('mail.example');
    expect(printVerdict(await ask('rcpt', '<a@b.example>'))).toBe('DENY nope a@b.example 0 ::1 (#1.1)');
    expect(printVerdict(await ask('rcpt', 'a@b.example', new Map([['size', '1']])))).toContain(' 1 ::1');
    expect(printVerdict(await ask('quit'))).toBe('DECLINED');
  });

  test('that is set up wrongly does not start', () => {
    expect(() => testPlugin(plugin, { options: 'wrod x' })).toThrow(
      'unknown option `wrod`, did you mean `word`?',
    );
  });

  test('sees a transaction with its message, and what it does to the header', async () => {
    const { ask, session } = testPlugin(plugin);
    session.begin({
      from: 'a@b.example',
      to: ['<c@d.example>', 'e@f.example'],
      message: 'Subject: x\r\n\r\nbody\r\n',
    });
    expect((await ask('data_post')).lines).toEqual(['a@b.example 2 x']);
    session.transaction.message.header.prepend('X-Mine', 'y');
    expect(session.header).toBe('X-Mine: y\r\nSubject: x\r\n');
    expect(session.content).toBe('X-Mine: y\r\nSubject: x\r\n\r\nbody\r\n');
    session.begin();
    expect(() => session.transaction.message).toThrow('there is no message');
  });

  test('tells its clients apart', async () => {
    const tested = testPlugin(plugin);
    const other = tested.openSession({ id: 'c2', remoteIp: '192.0.2.99' });
    await other.ask('helo', 'other.example');
    expect(tested.session.connection.notes.get(seen)).toBeUndefined();
    expect((await other.ask('rcpt', 'a@b')).lines[0]).toContain('192.0.2.99');
  });
});

test('what a plugin has begun ends with its client, and what it has opened ends with it', async () => {
  const work = connectionTask<never>('work');
  const events: string[] = [];
  const plugin = definePlugin({
    name: 'worker',
    about: 'Begins work.',
    hooks({ onClose }) {
      onClose(() => void events.push('closed'));
      return {
        connect: ({ tasks }: HookContext) =>
          tasks.start(work, (signal) => {
            signal.addEventListener('abort', () => void events.push('aborted'));
            return new Promise<never>(() => undefined);
          }),
      };
    },
  });
  const tested = testPlugin(plugin);
  await tested.ask('connect');
  tested.session.leave();
  expect(events).toEqual(['aborted']);
  await tested.close();
  expect(events).toEqual(['aborted', 'closed']);
});

test('the hooks outside any session can be run, too', async () => {
  const events: string[] = [];
  const plugin = definePlugin({
    name: 'outside',
    about: 'Has hooks outside any session.',
    logsUpTo: () => LogLevel.NOTICE,
    hooks: {
      logging: ({ services }, { text, plugin: speaker }) => services.logs.writeError(`${speaker}: ${text}`),
      config: (_, name) => (name === 'mine' ? ok(['a', 'b']) : undefined),
      'post-fork': () => void events.push('prepared'),
    },
  });
  const logs = new MemoryLogs();
  const tested = testPlugin(plugin, { logs });
  tested.writeLog(LogLevel.NOTICE, 'text\n', { plugin: 'p' });
  tested.writeLog(LogLevel.INFO, 'too much');
  expect(logs.errors).toEqual(['p: text\\x0a']);
  expect([tested.wantsLog(LogLevel.NOTICE), tested.wantsLog(LogLevel.INFO)]).toEqual([true, false]);
  expect(tested.configLines('mine')).toEqual(['a', 'b']);
  expect(tested.configLines('other')).toBeUndefined();
  await tested.prepare();
  expect(events).toEqual(['prepared']);
});

test('a whole server lives in the world of the test, as far as it has one', async () => {
  const plugin = definePlugin({
    name: 'asker',
    about: 'Asks its services.',
    hooks: {
      async noop({ services }) {
        const list = await services.files.read('/list', { maxOctets: 99 });
        const { output } = await services.programs.run('/bin/say', []);
        const stream = await services.connect({ host: 'd.example', port: 1 }, { timeoutMs: 1 });
        const daemon = await new Promise((resolve) => stream.once('data', resolve));
        const name = await services.dns.txt('x.example');
        await services.store.open('part').set('key', 'kept');
        const kept = await services.store.open('part').get('key');
        return deny(
          `${list} ${output} ${String(daemon)} ${name.status} ${services.random()} ${services.system.hostName} ${kept}`,
        );
      },
    },
  });
  const clock = new TestClock();
  const server = await TestServer.start({
    clock,
    plugins: [plugin],
    files: { '/list': 'entry' },
    programs: { '/bin/say': { output: 'said' } },
    daemons: { 'd.example:1': (stream) => void stream.write('daemon') },
    random: [0.125],
    store: new MemoryStores(clock),
    system: { hostName: 'host.test' },
    resolver: fakeResolver(),
  });
  try {
    const client = await server.greeted();
    expect(await client.say('NOOP')).toContain('entry said daemon no such name 0.125 host.test kept');
  } finally {
    await server.close();
  }
});

test('what a plugin looks for under `qpsmtpd check` is asked for by hand', async () => {
  const plugin = definePlugin({
    name: 'looker',
    about: 'Looks around.',
    hooks({ onCheck, services }) {
      onCheck(async () => {
        const names = await services.files.list('/in');
        return {
          headline: 'folders of nobody:',
          items: names.map(({ name }) => name),
          remedy: 'remove them',
        };
      });
      return {};
    },
  });
  const files = new MemoryFiles({ '/in/one': '', '/in/two': '' });
  expect(await testPlugin(plugin, { files }).check()).toMatchObject([
    { headline: 'folders of nobody:', items: ['one', 'two'], remedy: 'remove them' },
  ]);
});

test('outlets are loaded as by a server, and what is wrong with them is told', async () => {
  const hop = defineOutlet({
    name: 'queue/hop',
    about: 'Takes everything.',
    options: z.object({
      code: z
        .string()
        .regex(/^\d{3}$/, 'must be a code')
        .default('250'),
    }),
    positional: ['code'],
    outlet: ({ options }) => ({
      deliver: ({ recipients }) => {
        const reply = { code: Number(options.code), status: undefined, lines: ['taken'] };
        return Promise.resolve(recipients.map(() => ({ kind: 'delivered', reply, hop: 'hop' }) as const));
      },
    }),
  });
  const through = defineOutlet({
    name: 'queue/through',
    about: 'Hands on.',
    options: z.object({ via: z.array(z.string()) }),
    rest: 'via',
    outlet: ({ options, services }) => services.outlets.open(options.via.join(' ')),
  });
  const definitions = [hop as unknown as PluginDefinition, through as unknown as PluginDefinition];
  const tested = testPlugin(through, { options: 'through hop 251', definitions });
  await tested.ready;
  tested.begin({ from: '<>', to: ['a@b.example'], message: 'Subject: x\r\n\r\n' });
  expect(printVerdict(await tested.ask('queue'))).toBe('OK taken');
  expect(tested.outlet.deliver).toBeInstanceOf(Function);
  const wrong = testPlugin(through, { options: 'hop many', definitions });
  await expect(wrong.ready).rejects.toThrow('plugins:1: queue/hop: code: must be a code');
  const missing = testPlugin(through, { options: 'nowhere', definitions });
  await expect(missing.ready).rejects.toThrow('Plugin queue/nowhere not found');
});
