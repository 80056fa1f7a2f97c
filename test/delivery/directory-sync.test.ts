import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DirectorySync, type SyncableDirectory } from '../../host/message/directory-sync.ts';
import { folder } from '../message/folder.ts';

/** A directory whose every step waits until the test lets it happen. */
class SlowDirectory {
  readonly log: string[] = [];
  readonly #waiting: { step: string; settle: (error?: Error) => void }[] = [];
  readonly syncs = new DirectorySync((path) => this.#open(path));

  async #open(path: string): Promise<SyncableDirectory> {
    await this.#step(`open ${path}`);
    return { sync: () => this.#step(`sync ${path}`), close: () => this.#step(`close ${path}`) };
  }

  #step(step: string): Promise<void> {
    this.log.push(step);
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      this.#waiting.push({ step, settle });
    });
  }

  /** Ends the oldest step, which has to be this one, and lets what follows from it begin. */
  async end(step: string, error?: Error): Promise<void> {
    await new Promise((next) => setImmediate(next));
    const first = this.#waiting.shift();
    expect(first?.step).toBe(step);
    first!.settle(error);
    await new Promise((next) => setImmediate(next));
  }
}

/** The names of the promises that have been settled. */
function watch(promises: Readonly<Record<string, Promise<void>>>): string[] {
  const settled: string[] = [];
  for (const [name, promise] of Object.entries(promises)) {
    promise.then(
      () => settled.push(name),
      (error: Error) => settled.push(`${name}: ${error.message}`),
    );
  }
  return settled;
}

describe('a shared directory sync', () => {
  it('covers all who asked before it began, and nobody who asked later', async () => {
    const slow = new SlowDirectory();
    const a = slow.syncs.sync('new');
    const b = slow.syncs.sync('new');
    await slow.end('open new');
    const c = slow.syncs.sync('new');
    const d = slow.syncs.sync('new');
    const settled = watch({ a, b, c, d });
    await slow.end('sync new');
    await slow.end('close new');
    expect(settled).toEqual(['a', 'b']);
    await slow.end('open new');
    await slow.end('sync new');
    await slow.end('close new');
    expect(settled).toEqual(['a', 'b', 'c', 'd']);
    expect(slow.log.filter((step) => step === 'sync new')).toHaveLength(2);
  });

  it('goes on for one directory while another is slow', async () => {
    const slow = new SlowDirectory();
    const settled = watch({ a: slow.syncs.sync('a'), b: slow.syncs.sync('b') });
    await slow.end('open a');
    await slow.end('open b');
    expect(slow.log).toEqual(['open a', 'open b', 'sync a', 'sync b']);
    for (const step of ['sync a', 'sync b', 'close a', 'close b']) await slow.end(step);
    expect(settled).toEqual(['a', 'b']);
  });

  it('that fails fails its own callers alone, and the directory is closed', async () => {
    const slow = new SlowDirectory();
    const a = slow.syncs.sync('new');
    await slow.end('open new');
    const settled = watch({ a, b: slow.syncs.sync('new') });
    await slow.end('sync new', new Error('EIO'));
    await slow.end('close new', new Error('EBADF'));
    expect(settled).toEqual(['a: EIO']);
    for (const step of ['open new', 'sync new', 'close new']) await slow.end(step);
    expect(settled).toEqual(['a: EIO', 'b']);
  });

  it('of a directory that can not be opened fails, and the next caller tries again', async () => {
    const syncs = new DirectorySync();
    const path = join(folder(), 'missing');
    await expect(syncs.sync(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(syncs.sync(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is good enough where the file system has none (EINVAL)', async () => {
    const invalid = Object.assign(new Error('EINVAL'), { code: 'EINVAL' });
    const path = folder();
    const syncs = new DirectorySync(async () => {
      const handle = await open(path, 'r');
      return { sync: () => Promise.reject(invalid), close: () => handle.close() };
    });
    await expect(syncs.sync(path)).resolves.toBeUndefined();
  });
});
