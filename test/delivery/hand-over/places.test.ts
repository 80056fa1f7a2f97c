import { expect, test } from 'vitest';
import { Places } from '../../../host/delivery/program/places.ts';

const never = new AbortController().signal;

test('places go to those who wait longest, and no more wait than may', async () => {
  const places = new Places({ places: 1, waiting: 2 });
  const first = await places.take(never);
  const [second, third] = [places.take(never), places.take(never)];
  expect(await places.take(never)).toBe('full');
  const order: string[] = [];
  void second.then(() => order.push('second'));
  void third.then(() => order.push('third'));
  (first as () => void)();
  ((await second) as () => void)();
  ((await third) as () => void)();
  expect(order).toEqual(['second', 'third']);
  expect(await places.take(never)).toBeTypeOf('function');
});

test('who gives up leaves the line', async () => {
  const places = new Places({ places: 1, waiting: 1 });
  const first = (await places.take(never)) as () => void;
  const aborter = new AbortController();
  const second = places.take(aborter.signal);
  aborter.abort();
  expect(await second).toBe('given up');
  expect(await places.take(aborter.signal)).toBe('given up');
  const third = places.take(never);
  first();
  expect(await third).toBeTypeOf('function');
});
