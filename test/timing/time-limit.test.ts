import { expect, test } from 'vitest';
import { endsBefore } from '../../bindings/timing/time-limit.ts';

const never = new Promise<void>(() => undefined);

test('what has ended has ended before the signal, with or without one', async () => {
  await expect(endsBefore(Promise.resolve(), undefined)).resolves.toBe(true);
  await expect(endsBefore(Promise.resolve(), new AbortController().signal)).resolves.toBe(true);
});

test('a signal that was aborted, or is while something is waited for, ends the wait', async () => {
  await expect(endsBefore(never, AbortSignal.abort())).resolves.toBe(false);
  const controller = new AbortController();
  const ended = endsBefore(never, controller.signal);
  controller.abort();
  await expect(ended).resolves.toBe(false);
});
