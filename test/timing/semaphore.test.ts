import { expect, test } from 'vitest';
import { Semaphore, SemaphoreFullError } from '../../bindings/timing/semaphore.ts';

const never = new AbortController().signal;

test('permits go to those who wait longest, and no more wait than may', async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 2 });
  const first = await semaphore.take(never);
  const [second, third] = [semaphore.take(never), semaphore.take(never)];
  await expect(semaphore.take(never)).rejects.toBeInstanceOf(SemaphoreFullError);
  const order: string[] = [];
  void second.then(() => order.push('second'));
  void third.then(() => order.push('third'));
  first();
  (await second)();
  (await third)();
  expect(order).toEqual(['second', 'third']);
  expect(await semaphore.take(never)).toBeTypeOf('function');
});

test('one that gives up leaves the line', async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  const first = await semaphore.take(never);
  const aborter = new AbortController();
  const second = semaphore.take(aborter.signal);
  aborter.abort(new Error('given up'));
  await expect(second).rejects.toThrow('given up');
  await expect(semaphore.take(aborter.signal)).rejects.toThrow('given up');
  const third = semaphore.take(never);
  first();
  expect(await third).toBeTypeOf('function');
});

test('weights count together; what is too heavy gets in alone, and nobody overtakes it', async () => {
  const semaphore = new Semaphore({ permits: 5, maxWeight: 10 });
  const light = await semaphore.take(never, 4);
  const order: string[] = [];
  const heavy = semaphore.take(never, 50).then((giveBack) => (order.push('heavy'), giveBack));
  const later = semaphore.take(never, 1).then((giveBack) => (order.push('later'), giveBack));
  await Promise.resolve();
  expect(order).toEqual([]);
  light();
  (await heavy)();
  (await later)();
  expect(order).toEqual(['heavy', 'later']);
});

test('what gives up in front of others lets them pass', async () => {
  const semaphore = new Semaphore({ permits: 5, maxWeight: 10 });
  await semaphore.take(never, 4);
  const aborter = new AbortController();
  const heavy = semaphore.take(aborter.signal, 50);
  const later = semaphore.take(never, 1);
  aborter.abort(new Error('given up'));
  await expect(heavy).rejects.toThrow('given up');
  expect(await later).toBeTypeOf('function');
});

test('work that fails gives its permit back', async () => {
  const semaphore = new Semaphore({ permits: 1 });
  await expect(semaphore.use(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await semaphore.use(() => Promise.resolve('done'))).toBe('done');
});
