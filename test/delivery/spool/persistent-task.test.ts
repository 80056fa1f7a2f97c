import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PersistentTask } from '../../../host/spool/persistent-task.ts';
import { collectingLog } from './given-spool.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function given() {
  const log: string[] = [];
  const state = { tries: 0, problem: 'locked' as string | undefined, isWanted: true };
  const task = new PersistentTask({
    work: () => {
      state.tries++;
      return state.problem === undefined ? Promise.resolve('open') : Promise.reject(new Error(state.problem));
    },
    isWanted: () => state.isWanted,
    failed: 'it fails',
    mended: 'it works',
    log: () => collectingLog(log),
  });
  return { task, state, log };
}

it('is tried again later each time, and never less often than once a minute', async () => {
  const { task, state } = given();
  await expect(task.run()).rejects.toThrow('locked');
  const tries: number[] = [];
  for (const seconds of [0.9, 0.2, 2, 4, 8, 16, 32, 60, 60]) {
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
    tries.push(state.tries);
  }
  expect(tries).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('says once what is wrong, and once that it is right again', async () => {
  const { task, state, log } = given();
  await expect(task.run()).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(20_000);
  await expect(task.run()).rejects.toThrow();
  state.problem = 'full';
  await vi.advanceTimersByTimeAsync(60_000);
  state.problem = undefined;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toEqual(['error it fails: Error: locked', 'error it fails: Error: full', 'notice it works']);
  const { tries } = state;
  expect(await task.run()).toBe('open');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(state.tries).toBe(tries);
});

it.each<[string, (given_: ReturnType<typeof given>) => void]>([
  ['that was stopped', ({ task }) => task.stop()],
  ['that nobody wants any more', ({ state }) => void (state.isWanted = false)],
])('one %s is left alone', async (_, end) => {
  const all = given();
  await expect(all.task.run()).rejects.toThrow();
  end(all);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(all.state.tries).toBe(1);
});
