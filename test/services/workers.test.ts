/** Threads for CPU-heavy work, with a module of the test. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { WorkerError, type WorkerPool, type WorkerPoolOptions } from '../../bindings/plugin/workers.ts';
import { workers } from '../../host/workers/thread-pool.ts';
import { folder } from '../message/folder.ts';
import { PATIENCE_MS } from '../patience.ts';

interface Functions {
  twice(text: string): string;
  later(argument: undefined): Promise<number>;
  count(argument: undefined): number;
  spin(argument: undefined): void;
  fail(argument: undefined): void;
  devour(argument: undefined): number;
  end(argument: undefined): void;
  odd(argument: undefined): unknown;
  environment(argument: undefined): string[];
  meet(shared: Int32Array): string;
}

const MODULE = `
let calls = 0;
export const twice = (text) => text + text;
export const later = async () => 7;
export const count = () => ++calls;
export const spin = () => { for (;;); };
export const fail = () => { throw new Error('mine'); };
export const devour = () => { const all = []; for (;;) all.push([all.length]); };
export const end = () => process.exit();
export const odd = () => () => 1;
export const environment = () => Object.keys(process.env);
export const meet = (shared) => {
  Atomics.add(shared, 0, 1);
  Atomics.notify(shared, 0);
  while (Atomics.load(shared, 0) < 2) Atomics.wait(shared, 0, 1);
  return 'met';
};
`;

function poolOf(
  options: Partial<WorkerPoolOptions> = {},
  text = MODULE,
): { run: WorkerPool<Functions>['run']; close: () => void } {
  const path = join(folder(), 'work.mjs');
  writeFileSync(path, text);
  const module = pathToFileURL(path);
  const pool = workers.open<Functions>({ module, threads: 1, waiting: 10, memoryMb: 32, ...options });
  onTestFinished(() => pool.close());
  return pool;
}

const CALL = { timeoutMs: PATIENCE_MS };

async function kindOf(work: Promise<unknown>): Promise<string> {
  const fault: unknown = await work.then(
    (value) => value,
    (cause: unknown) => cause,
  );
  if (!(fault instanceof WorkerError)) throw new Error(`no WorkerError: ${String(fault)}`);
  return fault.kind;
}

test('functions return or resolve, in a thread that is kept and has no environment', async () => {
  process.env['SECRET_OF_THE_TEST'] = 'x';
  const pool = poolOf();
  expect(await pool.run('twice', 'ab', CALL)).toBe('abab');
  expect(await pool.run('later', undefined, CALL)).toBe(7);
  expect(await pool.run('count', undefined, CALL)).toBe(1);
  expect(await pool.run('count', undefined, CALL)).toBe(2);
  expect(await pool.run('environment', undefined, CALL)).not.toContain('SECRET_OF_THE_TEST');
});

test('what a function throws is told, and the thread goes on', async () => {
  const pool = poolOf();
  expect(await pool.run('count', undefined, CALL)).toBe(1);
  const failed = pool.run('fail', undefined, CALL);
  await expect(failed).rejects.toMatchObject({ kind: 'threw', message: 'Error: mine' });
  expect(await kindOf(pool.run('odd', undefined, CALL))).toBe('threw');
  expect(await kindOf(pool.run('nothing' as 'odd', undefined, CALL))).toBe('threw');
  expect(await kindOf(pool.run('twice', (() => 1) as unknown as string, CALL))).toBe('threw');
  expect(await pool.run('count', undefined, CALL)).toBe(2);
});

test('one that takes too long is ended while others in line come to their turn, and the event loop turns', async () => {
  const pool = poolOf();
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 20);
  const endless = kindOf(pool.run('spin', undefined, { timeoutMs: 600 }));
  const next = pool.run('count', undefined, CALL);
  expect(await endless).toBe('timeout');
  clearInterval(ticking);
  expect(ticks).toBeGreaterThan(5);
  expect(await next).toBe(1);
});

test('a thread that dies fails its call alone, and is replaced', async () => {
  const pool = poolOf();
  for (const name of ['devour', 'end'] as const) {
    const [dead, next] = [kindOf(pool.run(name, undefined, CALL)), pool.run('count', undefined, CALL)];
    expect([name, await dead, await next]).toEqual([name, 'died', 1]);
  }
});

test('a module that can not be loaded fails each call', async () => {
  const pool = poolOf({}, 'throw new Error("broken");');
  for (let count = 0; count < 2; count++)
    await expect(pool.run('count', undefined, CALL)).rejects.toMatchObject({ kind: 'died' });
});

test('so many threads work at the same time, so many calls wait, and one more is refused', async () => {
  const pool = poolOf({ threads: 2, waiting: 2 });
  const shared = new Int32Array(new SharedArrayBuffer(4));
  expect(await Promise.all([1, 2].map(() => pool.run('meet', shared, CALL)))).toEqual(['met', 'met']);
  const controller = new AbortController();
  const call = { ...CALL, signal: controller.signal };
  const working = [1, 2, 3, 4].map(() => kindOf(pool.run('spin', undefined, call)));
  expect(await kindOf(pool.run('spin', undefined, call))).toBe('full');
  controller.abort();
  expect(await Promise.all(working)).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
  expect(await pool.run('twice', 'a', CALL)).toBe('aa');
});

test('a pool that is closed ends what it was at, and begins nothing', async () => {
  const pool = poolOf();
  const working = [1, 2].map(() => kindOf(pool.run('spin', undefined, CALL)));
  pool.close();
  expect(await Promise.all(working)).toEqual(['stopped', 'stopped']);
  expect(await kindOf(pool.run('count', undefined, CALL))).toBe('stopped');
});
