/** Stores that are down, full, slow or damaged: callers are told soon, and ask in vain for a while at no cost. */

import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openStoreDirectory } from '../../host/store/store-directory.ts';
import { RecordStore } from '../../host/store/record-store.ts';
import { StoreConnection, type StoreConnectionOptions } from '../../host/store/store-connection.ts';
import {
  maskPassword,
  parseStoreLocation,
  printStoreLocation,
  storeLocationOf,
} from '../../host/settings/store-settings.ts';
import { hasRedis, redisPlace, temporaryFolder } from './backends.ts';
import { MemoryBackend } from '../../host/testing/memory-store.ts';

const clock = { now: () => 1_704_067_200_000 };
const LOCATION = parseStoreLocation('redis://user:secret@store.example:6379/0');

function storeOver(backend: MemoryBackend, options: StoreConnectionOptions = {}) {
  const connection = new StoreConnection(LOCATION, {
    patienceMs: 30,
    restMs: 60_000,
    open: async () => backend,
    ...options,
  });
  return { connection, store: new RecordStore('part', connection, clock) };
}

/** Resolves with the message the promise is rejected with, and how long that took. */
async function failureOf(promise: Promise<unknown>): Promise<{ message: string; ms: number }> {
  const start = performance.now();
  const message = await promise.then(
    () => 'no failure',
    (error: Error) => error.message,
  );
  return { message, ms: performance.now() - start };
}

describe('a store in trouble', () => {
  test('that does not answer fails in time, and at once while it rests', async () => {
    const backend = new MemoryBackend();
    let asked = 0;
    backend.read = () => {
      asked++;
      return new Promise(() => undefined);
    };
    const { store } = storeOver(backend);
    const late = await Promise.all(['a', 'a', 'b'].map((key) => failureOf(store.set(key, 'v'))));
    const [first, waiting, other] = late.map(({ message }) => message);
    expect(first).toBe('the store redis://***@store.example:6379/0 did not answer within 30 ms');
    expect(waiting).toMatch(/was too busy for 30 ms|failed a moment ago/);
    expect(other).toBe(first);
    for (const { ms } of late) expect(ms).toBeLessThan(5_000);
    expect((await failureOf(store.get('a'))).message).toContain('failed a moment ago');
    // The second question about `a` was waiting for its turn and never put.
    expect(asked).toBe(2);
  });

  test('that fails is asked again after its rest', async () => {
    const backend = new MemoryBackend();
    const { store } = storeOver(backend, { restMs: 0 });
    backend.swap = () => Promise.reject(new Error('no space left on device'));
    expect((await failureOf(store.set('k', 'v'))).message).toContain('failed: no space left on device');
    Reflect.deleteProperty(backend, 'swap');
    await store.set('k', 'v');
    expect(await store.get('k')).toBe('v');
  });

  test('that can not be opened is opened again after its rest', async () => {
    const backend = new MemoryBackend();
    let tries = 0;
    const open = async () => {
      if (++tries === 1) throw new Error('connection refused');
      return backend;
    };
    const { store } = storeOver(backend, { restMs: 0, open });
    expect((await failureOf(store.get('k'))).message).toContain('failed: connection refused');
    expect(await store.get('k')).toBeUndefined();
    expect(tries).toBe(2);
  });

  test('waits with closing for what is under way, and takes no questions from then on', async () => {
    const backend = new MemoryBackend();
    const order: string[] = [];
    const read = backend.read.bind(backend);
    backend.read = async (key) => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push('read');
      return read(key);
    };
    backend.close = async () => void order.push('closed');
    const { connection, store } = storeOver(backend, { patienceMs: 10_000 });
    const set = store.set('k', 'v');
    const closed = connection.close();
    expect((await failureOf(store.get('k'))).message).toContain('is closed');
    await Promise.all([set, closed]);
    expect(order).toEqual(['read', 'closed']);
  });
});

describe.runIf(hasRedis)('a Redis server in trouble', () => {
  const removals: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const remove of removals.splice(0)) await remove();
  });

  test('that is stopped, killed and started again costs no session more than the patience', async () => {
    const first = await redisPlace();
    removals.push(() => first.remove());
    const connection = new StoreConnection(first.location, { patienceMs: 4_000, restMs: 0 });
    removals.push(() => connection.close());
    const store = new RecordStore('part', connection, clock);
    await store.set('k', 'v');

    process.kill(first.pid, 'SIGSTOP');
    expect((await failureOf(store.get('k'))).message).toContain('did not answer within 4000 ms');
    process.kill(first.pid, 'SIGCONT');
    expect(await store.get('k')).toBe('v');

    await first.remove();
    const down = await failureOf(store.get('k'));
    expect(down.message).toContain('failed');
    expect(down.ms).toBeLessThan(15_000);

    const second = await redisPlace(first.port);
    removals.push(() => second.remove());
    await expect.poll(() => store.get('k').catch(() => 'down')).toBeUndefined();
    await store.set('k', 'again');
    expect(await store.get('k')).toBe('again');
  });
});

test('a server that nobody has started is refused at the first question, not waited for', async () => {
  const connection = new StoreConnection(parseStoreLocation('redis://127.0.0.1:1/0'));
  const { message, ms } = await failureOf(new RecordStore('part', connection, clock).get('k'));
  expect(message).toContain('ECONNREFUSED');
  expect(ms).toBeLessThan(2_000);
  await connection.close();
});

test.each([
  ['rubbish', Buffer.alloc(65_536, 'rubbish ')],
  ['the beginning of something', 'abc'],
])('a store file that holds %s is refused, and does not take the process down', async (_, content) => {
  const directory = temporaryFolder();
  writeFileSync(join(directory, 'store.mdb'), content);
  const connection = new StoreConnection({ kind: 'lmdb', directory });
  const { message } = await failureOf(new RecordStore('part', connection, clock).get('k'));
  expect(message).toMatch(/^the store lmdb:.* failed: .*store\.mdb is no LMDB file; move it away/);
  await connection.close();
  rmSync(directory, { recursive: true });
});

describe('the place of a store', () => {
  test.each([
    ['lmdb:/var/lib/qpsmtpd', 'lmdb:/var/lib/qpsmtpd'],
    ['redis://127.0.0.1', 'redis://127.0.0.1'],
    ['redis://127.0.0.1:6380/15', 'redis://127.0.0.1:6380/15'],
    ['rediss://u:p%40ss@store.example/0', 'rediss://***@store.example/0'],
  ])('%s is %s', (text, shown) => {
    expect(printStoreLocation(parseStoreLocation(text))).toBe(shown);
  });

  test.each(['/var/lib', 'lmdb:', 'redis:6379', 'redis://', 'redis://h/db', 'redis://h/0?x=1', 'file:///x'])(
    '%s is refused',
    (text) => {
      expect(() => parseStoreLocation(text)).toThrow(/write redis:|is neither lmdb:/);
    },
  );

  test('shows no password, whatever it is made of', () => {
    expect(maskPassword('redis://u:a/b@c@host/0')).toBe('redis://***@host/0');
    expect(JSON.stringify(parseStoreLocation('redis://:secret@host/0'))).not.toContain('secret');
    expect(() => parseStoreLocation('redis://u:secret@host/0/1')).toThrow(/^'redis:\/\/\*\*\*@host/);
  });

  test('is the file `store`, else `store_dir`, else beside the spool', () => {
    const spoolDirectory = '/var/spool/qpsmtpd/tmp';
    const store = parseStoreLocation('redis://h/0');
    expect(storeLocationOf({ store, storeDirectory: '/a', spoolDirectory })).toBe(store);
    expect(storeLocationOf({ store: undefined, storeDirectory: '/a', spoolDirectory })).toMatchObject({
      directory: '/a',
    });
    expect(storeLocationOf({ store: undefined, storeDirectory: undefined, spoolDirectory })).toMatchObject({
      directory: `/var/spool/qpsmtpd/qpsmtpd-store-${process.getuid!()}`,
    });
  });
});

describe('the directory of the embedded store', () => {
  const folder = temporaryFolder();
  const under = (name: string): string => join(folder, name);
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('is made if it is missing, and taken if it is ours', () => {
    mkdirSync(folder, { recursive: true });
    openStoreDirectory(under('new'));
    openStoreDirectory(under('new'));
  });

  test('is refused as a link, as a file, open to all, and where it can not be made', () => {
    mkdirSync(under('open'), { recursive: true });
    chmodSync(under('open'), 0o777);
    symlinkSync(under('open'), under('link'));
    writeFileSync(under('file'), '');
    expect(() => openStoreDirectory(under('link'))).toThrow('is a symbolic link');
    expect(() => openStoreDirectory(under('file'))).toThrow('is no directory');
    expect(() => openStoreDirectory(under('open'))).toThrow('can be written by anyone (chmod 0700 it)');
    expect(() => openStoreDirectory(under('a/b'))).toThrow("can't be made");
  });
});
