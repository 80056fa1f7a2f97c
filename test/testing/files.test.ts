/** Files, programs, stores, logs, the configuration and chance in memory, by the exports of the kit alone. */

import { describe, expect, test } from 'vitest';
import {
  MemoryFiles,
  MemoryPrograms,
  MemoryStores,
  MemoryWeb,
  randomNumbers,
  TestClock,
  testPlugin,
} from '../../host/testing/index.ts';
import { definePlugin, LogLevel, ok } from '../../bindings/plugin/index.ts';
import type * as work from './work.ts';

const LIMIT = { maxOctets: 10 };

describe('files', () => {
  test('are read, appended to, and looked at by the test', async () => {
    const files = new MemoryFiles({ './a/list': 'one\n' });
    expect(await files.read('a/list', LIMIT)).toBe('one\n');
    expect(await files.read('/none', LIMIT)).toBeUndefined();
    await files.append('a/list', [Buffer.from('two'), Buffer.from('\n')]);
    await files.append('/new', [Buffer.from('x')]);
    expect(files.text('a/list')).toBe('one\ntwo\n');
    expect(files.paths).toEqual(['/new', 'a/list']);
    expect(files.reads).toEqual(['a/list', '/none']);
  });

  test('that are too long or cannot be read fail', async () => {
    const files = new MemoryFiles({ '/long': 'more than ten octets', '/bad': '' });
    await expect(files.read('/long', LIMIT)).rejects.toThrow('/long: more than 10 octets');
    files.fail('/bad');
    await expect(files.read('/bad', LIMIT)).rejects.toThrow('EIO');
    await expect(files.append('/bad', [])).rejects.toThrow('EIO');
    files.write('/bad', 'good');
    expect(await files.read('/bad', LIMIT)).toBe('good');
  });

  test('are made whole before they are found, in directories that are there', async () => {
    const files = new MemoryFiles();
    const options = { mode: 0o640 };
    await expect(files.stage('/in/tmp/1', options)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.append('/in/log', [])).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.makeDirectory('/in/tmp')).rejects.toMatchObject({ code: 'ENOENT' });
    files.prepareDirectory('/in/tmp');
    await files.makeDirectory('/in/new');
    await expect(files.makeDirectory('/in/new')).rejects.toMatchObject({ code: 'EEXIST' });
    const staged = await files.stage('/in/tmp/1', options);
    await expect(files.stage('/in/tmp/1', options)).rejects.toMatchObject({ code: 'EEXIST' });
    await staged.write(Buffer.from('head '), [Buffer.from('body')]);
    await staged.sync();
    await staged.close();
    expect(await staged.link('/in/new/1')).toBe(true);
    expect(await staged.link('/in/new/1')).toBe(false);
    await staged.rename('/in/new/2');
    await files.syncDirectory('/in/new');
    expect(files.paths).toEqual(['/in/new/1', '/in/new/2']);
    expect(files.text('/in/new/2')).toBe('head body');
    await staged.discard();
    expect(files.paths).toEqual(['/in/new/1']);
    expect(await files.list('/in')).toEqual([
      { name: 'new', kind: 'directory' },
      { name: 'tmp', kind: 'directory' },
    ]);
    expect([await files.kindOf('/in/new/1'), await files.kindOf('/none')]).toEqual(['file', undefined]);
    expect(await files.readHead('/in/new/1', 4)).toBe('head');
    expect(await files.readHead('/in', 4)).toBe('');
  });

  test('of the set-up are read at once, secrets only if nobody else can', () => {
    const files = new MemoryFiles({ '/key': 'secret', '/long': 'more than ten octets' });
    files.write('/open', 'secret', 0o644);
    expect(files.readNow('/key', LIMIT)).toBe('secret');
    expect(() => files.readNow('/long', LIMIT)).toThrow('/long: has more than 10 octets');
    expect(() => files.readNow('/none', LIMIT)).toThrow("/none: can't be read: ENOENT");
    expect(files.readSecret('/key')).toBe('secret');
    expect(() => files.readSecret('/open')).toThrow('/open: can be read or written by others');
    expect(files.openKeyWarning('/key')).toBeUndefined();
    expect(files.openKeyWarning('/open')).toContain('/open: every user of this host can read');
  });

  test('that are kept follow their changes, and stay when they vanish', async () => {
    const files = new MemoryFiles({ '/map': '# all\n a \n\nb\n' });
    const kept = files.keep('/map');
    expect(kept.lines).toEqual(['a', 'b']);
    expect(kept.refresh()).toBeUndefined();
    files.write('/map', 'c');
    await kept.refresh();
    expect(kept.lines).toEqual(['c']);
    files.remove('/map');
    expect(kept.refresh()).toBeUndefined();
    expect(kept.lines).toEqual(['c']);
    expect(files.keep('/map').lines).toBeUndefined();
  });
});

describe('programs', () => {
  test('end as the table says', async () => {
    const programs = new MemoryPrograms({
      '/bin/say': ({ arguments: [word] }) => ({ output: `${word}!` }),
      '/bin/false': { exitCode: 1 },
      '/bin/crash': { killedBy: 'SIGSEGV' },
    });
    expect([programs.isExecutable('/bin/say'), programs.isExecutable('/bin/none')]).toEqual([true, false]);
    expect(await programs.run('/bin/say', ['hi'])).toEqual({ exitCode: 0, output: 'hi!' });
    expect(await programs.run('/bin/false', [])).toEqual({ exitCode: 1, output: '' });
    await expect(programs.run('/bin/crash', [])).rejects.toThrow('Command failed: /bin/crash');
    await expect(programs.run('/bin/none', [])).rejects.toThrow('spawn /bin/none ENOENT');
    expect(programs.calls.map(({ path }) => path)).toEqual([
      '/bin/say',
      '/bin/false',
      '/bin/crash',
      '/bin/none',
    ]);
  });

  test('that hang are given up when their time is over', async () => {
    const clock = new TestClock();
    const programs = new MemoryPrograms({ '/bin/sleep': () => new Promise(() => undefined) }, clock);
    const run = programs.run('/bin/sleep', [], { timeoutMs: 2_000 });
    const heard = expect(run).rejects.toThrow('Command failed: /bin/sleep');
    clock.advance(2_000);
    await heard;
    expect(programs.calls[0]!.signal.aborted).toBe(true);
    const controller = new AbortController();
    const order = { command: ['/bin/sleep'], inputs: [], outputs: [] };
    const fed = programs.feed(order, controller.signal);
    controller.abort();
    expect(await fed).toMatchObject({ kind: 'given up' });
  });

  test('read a message from their descriptors, and write to others', async () => {
    const programs = new MemoryPrograms({
      '/bin/in': ({ inputs }) => ({
        exitCode: 75,
        output: { 2: `${inputs.get(0)!.toString()} ${inputs.get(1)!.toString()}` },
      }),
      '/bin/crash': { killedBy: 'SIGKILL' },
    });
    const { signal } = new AbortController();
    const inputs = [
      { fd: 0, blocks: [Buffer.from('mes'), Buffer.from('sage')] },
      { fd: 1, blocks: [Buffer.from('envelope')] },
    ];
    const ended = await programs.feed({ command: ['/bin/in', '-x'], inputs, outputs: [2] }, signal);
    expect(ended).toMatchObject({ kind: 'exited', code: 75, outputs: new Map([[2, 'message envelope']]) });
    const died = await programs.feed({ command: ['/bin/crash'], inputs, outputs: [] }, signal);
    expect(died).toMatchObject({ kind: 'died', problem: 'killed by SIGKILL' });
    const missing = await programs.feed({ command: ['/bin/none'], inputs, outputs: [] }, signal);
    expect(missing).toMatchObject({ kind: 'not started', problem: 'spawn /bin/none ENOENT' });
    const half = (function* () {
      yield Buffer.from('half');
      throw new Error('gone');
    })();
    const unreadable = await programs.feed(
      { command: ['/bin/in'], inputs: [{ fd: 0, blocks: half }], outputs: [] },
      signal,
    );
    expect(unreadable).toMatchObject({ kind: 'unreadable' });
  });
});

describe('the web', () => {
  test('has the pages of the test, and says what it was asked', async () => {
    const web = new MemoryWeb({
      'https://x.example/a': 'a page',
      'https://x.example/moved': { status: 302, headers: { location: '/a' } },
      'https://x.example/down': new Error('connect ECONNREFUSED'),
      'https://x.example/echo': ({ method, body }) => ({ status: 201, body: `${method} ${String(body)}` }),
    });
    const limits = { timeoutMs: 1_000, maxOctets: 10 };
    const get = (path: string) => web.text(`https://x.example/${path}`, limits);
    expect(await get('a')).toBe('a page');
    expect(await get('none')).toBeUndefined();
    await expect(get('moved')).rejects.toThrow('answered 302');
    await expect(get('down')).rejects.toThrow('ECONNREFUSED');
    const client = web.client();
    const url = 'https://x.example/echo';
    const answer = await client.request({ method: 'POST', url, body: Buffer.from('hi'), ...limits });
    expect([answer.status, answer.body.toString()]).toEqual([201, 'POST hi']);
    const long = { method: 'POST', url, body: Buffer.from('0123456789'), ...limits };
    await expect(client.request(long)).rejects.toMatchObject({ kind: 'too large' });
    const part = await client.request({ ...long, isPartEnough: true });
    expect([part.body.toString(), part.fault?.kind]).toEqual(['POST 01234', 'too large']);
    expect(web.requests).toHaveLength(7);
    client.close();
  });
});

test('work for threads is done in that of the test', async () => {
  const tested = testPlugin(
    definePlugin({
      name: 'worker',
      about: 'Has work for threads.',
      hooks({ services, onClose }) {
        const module = new URL('./work.js', import.meta.url);
        const pool = services.workers.open<typeof work>({
          module,
          threads: 1,
          waiting: 1,
          memoryMb: 8,
        });
        onClose(() => pool.close());
        return {
          connect: async () => ok(String(await pool.run('double', 21, { timeoutMs: 1_000 }))),
          noop: async () => ok(await pool.run('fail', '', { timeoutMs: 1_000 })),
        };
      },
    }),
  );
  expect((await tested.ask('connect')).lines).toEqual(['42']);
  await tested.ask('noop');
  expect(tested.log.join()).toContain('WorkerError: it failed');
  await tested.close();
  await tested.ask('connect');
  expect(tested.log.join()).toContain('WorkerError: the pool was closed');
});

describe('a store', () => {
  test('forgets what has expired by the clock, and can be down for a while', async () => {
    const clock = new TestClock();
    const stores = new MemoryStores(clock);
    const store = stores.open('part', { at: 'lmdb:/x' });
    await store.set('key', 'value', { expiresInMs: 1_000 });
    clock.advance(999);
    expect(await store.get('key')).toBe('value');
    clock.advance(1);
    expect(await store.get('key')).toBeUndefined();
    stores.fail();
    await expect(store.get('key')).rejects.toThrow('no space left on device');
    stores.mend();
    expect(await store.get('key')).toBeUndefined();
    expect(stores.places).toEqual(['lmdb:/x']);
  });
});

describe('chance', () => {
  test('is a list, or a sequence that is the same in every run', () => {
    const listed = randomNumbers([0.1, 0.9]);
    expect([listed(), listed()]).toEqual([0.1, 0.9]);
    expect(listed).toThrow('more than 2 random numbers were asked for');
    const [one, same, other] = [7, 7, 8].map((seed) => {
      const next = randomNumbers(seed);
      return Array.from({ length: 1_000 }, next);
    });
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    expect(one!.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(one!.reduce((sum, number) => sum + number) / 1_000).toBeCloseTo(0.5, 1);
  });
});

test('a plugin sees the configuration as its operator writes it, and lists follow changes', async () => {
  const plugin = definePlugin({
    name: 'lists',
    about: 'Answers with a list.',
    hooks({ config }) {
      const list = config.list('names', (lines) => {
        if (lines.includes('bad')) throw new Error('this line is bad');
        return lines.join(' ');
      });
      return { connect: () => ok(`${list.current} ${config.me} ${config.map('more', 'key')}`) };
    },
  });
  const { ask, config, log } = testPlugin(plugin, {
    config: { names: '# those we know\n\n  one  \ntwo\n' },
    databases: { more: { key: 'value' } },
  });
  const answer = async () => (await ask('connect')).lines[0];
  expect(await answer()).toBe('one two mx.example value');
  config.write('names', ['three']);
  expect(await answer()).toBe('three mx.example value');
  config.write('names', 'bad\n');
  expect(await answer()).toBe('three mx.example value');
  expect(log.join()).toContain('this line is bad; the last good value stays');
  expect(() => testPlugin(plugin, { config: { names: 'good\nbad' } })).toThrow('this line is bad');
});

test('a plugin sees the system, the web and the log of the test', async () => {
  const plugin = definePlugin({
    name: 'sights',
    about: 'Answers with what it sees.',
    hooks: {
      async connect({ services: { clock, http, random, system }, log }) {
        log.debug('looking');
        const { hour, minute } = system.localTime(clock.now());
        const page = await http.text('https://x.example/', { timeoutMs: 1, maxOctets: 9 });
        const load = system.loadAverage();
        return ok([`${hour}:${minute} ${random()} ${load} ${system.environment('HOME')} ${page}`]);
      },
    },
  });
  const { ask, log } = testPlugin(plugin, {
    clock: new TestClock(Date.UTC(2026, 5, 1, 23, 40)),
    random: [0.25],
    system: { loadAverage: 3, environment: { HOME: '/root' }, zoneMinutes: 90 },
    web: { 'https://x.example/': 'a page' },
    logLevel: LogLevel.DEBUG,
  });
  expect((await ask('connect')).lines).toEqual(['1:10 0.25 3 /root a page']);
  expect(log[0]).toBe('[c1] (connect) sights: looking');
});
