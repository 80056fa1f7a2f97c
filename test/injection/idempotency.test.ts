/** Keys that say "this is the same request": who gets them, for how long, and what happens to the others. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  IdempotencyKeys,
  KEPT_MS,
  KeyCounts,
  KEYS_PER_HOUR,
  readKey,
  requireSame,
  type Claim,
} from '../../host/injection/idempotency.ts';
import { InjectionProblem } from '../../host/injection/problems.ts';
import { MemoryStores, TestClock } from '../../host/testing/index.ts';

const FINGERPRINT = { head: 'h', body: 'b' };
const ANSWER = { status: 202, headers: {}, body: { reply: 'x' } };

let clock: TestClock;
let keys: IdempotencyKeys;
let counts: KeyCounts;
let store: ReturnType<MemoryStores['open']>;

beforeEach(() => {
  vi.useFakeTimers();
  clock = new TestClock();
  store = new MemoryStores(clock).open('http-idempotency');
  counts = new KeyCounts(() => clock.now());
  keys = new IdempotencyKeys(store, counts);
});
afterEach(() => vi.useRealTimers());

/** Time passes for timers and for the store. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    clock.advance(Math.min(10_000, ms - passed));
    await vi.advanceTimersByTimeAsync(Math.min(10_000, ms - passed));
  }
}

async function claim(key = 'k', login = 'shop'): Promise<Claim> {
  const found = await keys.begin(login, key);
  if ('answer' in found) throw new Error('answered already');
  return found;
}

const kindOf = (begun: Promise<unknown>): Promise<unknown> =>
  begun.then(
    () => 'none',
    (error: unknown) => (error as InjectionProblem).answer.body['type'],
  );

test('the first has the key, those at the same time are told to come back', async () => {
  const first = await claim();
  expect(await kindOf(keys.begin('shop', 'k'))).toBe('urn:qpsmtpd:problem:in-progress');
  await first.settle(FINGERPRINT, ANSWER);
  expect(await keys.begin('shop', 'k')).toEqual({ fingerprint: FINGERPRINT, answer: ANSWER });
});

test('of many at once exactly one gets it', async () => {
  const kinds = await Promise.all(Array.from({ length: 20 }, () => kindOf(keys.begin('shop', 'k'))));
  expect(kinds.filter((kind) => kind === 'none')).toHaveLength(1);
});

test('each login has keys of its own', async () => {
  await claim('k', 'shop');
  await claim('k', 'forum');
});

test('one that let go leaves no trace of its key', async () => {
  await (await claim()).release();
  await claim();
});

test('a request that takes long keeps its key; one whose process has died does not', async () => {
  const first = await claim();
  await pass(600_000);
  expect(await kindOf(keys.begin('shop', 'k'))).toBe('urn:qpsmtpd:problem:in-progress');
  await first.settle(FINGERPRINT, ANSWER);

  await claim('dead');
  vi.clearAllTimers();
  await pass(130_000);
  await claim('dead');
});

test('a request that has lost its key changes nothing of what another made of it', async () => {
  const slow = await claim();
  vi.clearAllTimers();
  clock.advance(130_000);
  const other = await claim();
  await slow.release();
  await slow.settle({ head: 'x', body: 'x' }, ANSWER);
  await other.settle(FINGERPRINT, ANSWER);
  await slow.settle({ head: 'x', body: 'x' }, ANSWER);
  expect(await keys.begin('shop', 'k')).toMatchObject({ fingerprint: FINGERPRINT });
});

test('a renewal that the store takes up late claims nothing that was let go of', async () => {
  let goOn: () => void = () => undefined;
  const late = new Promise<void>((resolve) => (goOn = resolve));
  let isSlow = false;
  const slow: typeof store = Object.create(store, {
    transact: {
      value: async (...args: Parameters<typeof store.transact>) => {
        if (isSlow) await late;
        return store.transact(...args);
      },
    },
  });
  keys = new IdempotencyKeys(slow, counts);
  const first = await claim();
  isSlow = true;
  await pass(30_000);
  isSlow = false;
  await first.release();
  goOn();
  await vi.advanceTimersByTimeAsync(1);
  await claim();
});

test('an answer is kept for a day', async () => {
  await (await claim()).settle(FINGERPRINT, ANSWER);
  clock.advance(KEPT_MS - 1);
  expect(await keys.begin('shop', 'k')).toMatchObject({ answer: ANSWER });
  clock.advance(2);
  await claim();
});

test('new keys are counted by the hour, those that are known are not', async () => {
  await (await claim('known')).settle(FINGERPRINT, ANSWER);
  for (let count = 1; count < KEYS_PER_HOUR; count++) counts.add('shop');
  expect(await kindOf(keys.begin('shop', 'new'))).toBe('urn:qpsmtpd:problem:too-many-keys');
  expect(await keys.begin('shop', 'known')).toMatchObject({ answer: ANSWER });
  await claim('new', 'forum');
  clock.advance(3_600_000);
  await claim('new');
});

test('neither keys nor logins can be read in the store', async () => {
  await claim('order-4711', 'webshop');
  for await (const [name, value] of store.scan()) expect(name + value).not.toMatch(/4711|webshop/);
});

describe('the field', () => {
  test.each([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['8e03978e', '8e03978e'],
    ['"a \\"b\\" \\\\"', 'a "b" \\'],
    [undefined, undefined],
  ])('%s', (field, key) => {
    expect(readKey(field)).toBe(key);
  });

  test.each(['', '""', '"a', 'a b', 'a, b', '"a", "b"', 'ä', `"${'x'.repeat(256)}"`, '"a";p=1'])(
    '%j is none',
    (field) => {
      expect(() => readKey(field)).toThrow(InjectionProblem);
    },
  );
});

test('the same key with another request is told so; a body that was never read cannot differ', () => {
  const body = undefined;
  expect(() => requireSame(FINGERPRINT, { head: 'h', body: 'other' })).toThrow(/another one/);
  expect(() => requireSame(FINGERPRINT, { head: 'other', body: 'b' })).toThrow(/another one/);
  expect(() => requireSame(FINGERPRINT, { head: 'h', body })).toThrow(/another one/);
  requireSame({ head: 'h', body }, { head: 'h', body: 'b' });
  requireSame(FINGERPRINT, FINGERPRINT);
});
