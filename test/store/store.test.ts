import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../bindings/plugin/index.ts';
import { RecordStore } from '../../host/store/record-store.ts';
import { StoreConnection } from '../../host/store/store-connection.ts';
import { Sweeper } from '../../host/store/stores.ts';
import { hasRedis, lmdbPlace, redisPlace, type Place } from './backends.ts';

const BACK_ENDS = [
  { kind: 'lmdb', isHere: true, place: lmdbPlace },
  { kind: 'redis', isHere: hasRedis, place: redisPlace },
] as const;

/** 2024-01-01, in milliseconds. */
const START = 1_704_067_200_000;
const clock = {
  time: START,
  now(): number {
    return this.time;
  },
};

async function collect(store: Store, prefix?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const [key, value] of store.scan(prefix)) found.push(`${key}=${value}`);
  return found.sort();
}

describe.each(BACK_ENDS)('the $kind store', ({ isHere, place }) => {
  let at: Place;
  const connections: StoreConnection[] = [];
  let count = 0;

  /** A part of the store no other test has seen, once for each of `processes` connections. */
  function open(processes = 1): Store[] {
    const name = `test${count++}`;
    return Array.from({ length: processes }, () => new RecordStore(name, connect(), clock));
  }
  function connect(): StoreConnection {
    const connection = new StoreConnection(at.location, { patienceMs: 15_000 });
    connections.push(connection);
    return connection;
  }

  beforeAll(async () => {
    if (isHere) at = await place();
  });
  afterEach(async () => {
    clock.time = START;
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
  });
  afterAll(async () => {
    await at?.remove();
  });

  test.runIf(isHere)(
    'gives back what was set, by any connection, and nothing after it was deleted',
    async () => {
      const [one, other] = open(2) as [Store, Store];
      expect(await one.get('k')).toBeUndefined();
      await one.set('k', 'first');
      expect(await other.get('k')).toBe('first');
      await other.set('k', 'a\nsecond line, ünd 1 - more');
      expect(await one.get('k')).toBe('a\nsecond line, ünd 1 - more');
      await one.set('empty', '');
      expect(await other.get('empty')).toBe('');
      expect(await one.delete('k')).toBe(true);
      expect(await other.delete('k')).toBe(false);
      expect(await other.get('k')).toBeUndefined();
    },
  );

  test.runIf(isHere)('keeps its parts apart', async () => {
    const [one] = open() as [Store];
    const [other] = open() as [Store];
    await one.set('k', '1');
    expect(await other.get('k')).toBeUndefined();
    expect(await collect(other)).toEqual([]);
  });

  test.runIf(isHere)('shows an entry until it expires, and not a millisecond longer', async () => {
    const [store] = open() as [Store];
    await store.set('k', 'v', { expiresInMs: 60_000 });
    clock.time = START + 59_999;
    expect(await store.get('k')).toBe('v');
    clock.time = START + 60_000;
    expect(await store.get('k')).toBeUndefined();
    expect(await collect(store)).toEqual([]);
    expect(await store.transact('k', (value) => ({ value: 'new', answer: value }))).toBeUndefined();
    clock.time = START + 10 ** 12;
    expect(await store.get('k')).toBe('new');
  });

  test.runIf(isHere)('changes a value as one step, however many want to at the same time', async () => {
    const stores = open(2);
    const add = (store: Store, key: string): Promise<number> =>
      store.transact(key, (value) => {
        const next = Number(value ?? 0) + 1;
        return { value: String(next), answer: next };
      });
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, index) => add(stores[index % 2]!, `k${index % 4}`)),
    );
    expect([...answers].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 400 }, (_, index) => Math.floor(index / 4) + 1),
    );
    expect(await collect(stores[0]!)).toEqual(['k0=100', 'k1=100', 'k2=100', 'k3=100']);
  });

  test.runIf(isHere)(
    'leaves a value alone where a change has none, and deletes it where it is null',
    async () => {
      const [store] = open() as [Store];
      await store.set('k', 'v');
      expect(await store.transact('k', (value) => ({ answer: value }))).toBe('v');
      expect(await store.get('k')).toBe('v');
      expect(await store.transact('k', () => ({ value: null, answer: 7 }))).toBe(7);
      expect(await store.get('k')).toBeUndefined();
    },
  );

  test.runIf(isHere)('passes on what a change throws, and changes nothing', async () => {
    const [store] = open() as [Store];
    await store.set('k', 'v');
    await expect(
      store.transact('k', () => {
        throw new Error('no such state');
      }),
    ).rejects.toThrow('no such state');
    expect(await store.get('k')).toBe('v');
  });

  test.runIf(isHere)('scans what begins with a prefix, also one with wildcards, each key once', async () => {
    const [store] = open() as [Store];
    const keys = Array.from({ length: 1_200 }, (_, index) => `a*${String(index).padStart(4, '0')}`);
    await Promise.all([...keys, 'ab', 'b', '[a]'].map((key) => store.set(key, '1')));
    expect(await collect(store, 'a*')).toEqual(keys.map((key) => `${key}=1`));
    expect(await collect(store, '[a')).toEqual(['[a]=1']);
    expect(await collect(store)).toHaveLength(1_203);
  });

  test.runIf(isHere)('prunes what was not written since then, and keeps the rest', async () => {
    const [store] = open() as [Store];
    await store.set('old', '1');
    await store.set('renewed', '1');
    clock.time = START + 1_000;
    await store.set('renewed', '2');
    await store.set('new', '1');
    expect(await store.prune(START + 1_000)).toBe(1);
    expect(await collect(store)).toEqual(['new=1', 'renewed=2']);
  });

  test.runIf(isHere)(
    'takes keys of any length: one that is too long must not get around a check',
    async () => {
      const [store] = open() as [Store];
      const [one, other] = ['x'.repeat(4_000), `${'x'.repeat(4_000)}y`] as const;
      await store.set(one, '1');
      expect(await store.get(other)).toBeUndefined();
      await store.set(other, '2');
      expect(await store.get(one)).toBe('1');
      expect(await store.get(other)).toBe('2');
    },
  );

  test.runIf(isHere)('does not believe a text that is no record', async () => {
    const [store] = open() as [Store];
    await store.set('k', 'v');
    await connect().ask(async (backend) => {
      const key = `test${count - 1}:k`;
      expect(await backend.swap(key, await backend.read(key), 'rubbish', undefined)).toBe(true);
    });
    expect(await store.get('k')).toBeUndefined();
    await store.set('k', 'again');
    expect(await store.get('k')).toBe('again');
  });
});

describe('the sweeper', () => {
  test('deletes what has expired, by one process at a time, and leaves what has not', async () => {
    const place = await lmdbPlace();
    const connections = [0, 1].map(() => new StoreConnection(place.location));
    const store = new RecordStore('part', connections[0]!, clock);
    await Promise.all(
      Array.from({ length: 700 }, (_, index) => store.set(`old${index}`, '', { expiresInMs: 10 })),
    );
    await store.set('young', '', { expiresInMs: 100_000 });
    await store.set('for ever', '');
    clock.time = START + 10;
    const sweepers = connections.map((connection) => new Sweeper(connection, clock));
    for (const sweeper of sweepers) sweeper.watch('part');
    const removed = await Promise.all(sweepers.map((sweeper) => sweeper.sweep()));
    expect([...removed].sort()).toEqual([0, 700]);
    const left = await connections[1]!.ask(async (backend) => {
      const keys: string[] = [];
      for await (const piece of backend.keys('part:')) keys.push(...piece);
      return keys;
    });
    expect(left).toEqual(['part:for ever', 'part:young']);
    expect(await sweepers[0]!.sweep()).toBe(0);
    clock.time = START;
    await Promise.all(connections.map((connection) => connection.close()));
    await place.remove();
  });
});
