/** Several processes and one index: none of them has to wait for what another is thinking about. */

import { fork, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { IndexDatabase } from '../../../host/spool/index/index-database.ts';
import { keys } from '../../../host/spool/index/index-keys.ts';
import { folder } from '../../message/folder.ts';
import { PATIENCE } from '../../patience.ts';

const PROGRAM = join(import.meta.dirname, 'index-process.mjs');
/** Far longer than any commit takes, and far shorter than the wedged stay wedged. */

interface Told {
  readonly said?: string;
  readonly id?: number;
  readonly answer?: unknown;
}

class IndexProcess {
  readonly said: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #count = 0;

  private constructor(directory: string) {
    this.#child = fork(PROGRAM, [directory], { stdio: 'inherit' });
    this.#child.on('message', ({ said, id, answer }: Told) => {
      if (said !== undefined) this.said.push(said);
      if (id !== undefined) this.#waiting.get(id)?.(answer);
    });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  static async start(directory: string): Promise<IndexProcess> {
    const started = new IndexProcess(directory);
    await started.says('ready');
    return started;
  }

  says(what: string): Promise<void> {
    return vi.waitFor(() => expect(this.said).toContain(what), PATIENCE);
  }

  ask(step: string, rest: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = this.#count++;
    this.#child.send({ id, step, ...rest });
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

async function given(): Promise<{ directory: string; until: string; one: IndexProcess; two: IndexProcess }> {
  const base = folder();
  const directory = join(base, 'index');
  const one = await IndexProcess.start(directory);
  return { directory, until: join(base, 'until'), one, two: await IndexProcess.start(directory) };
}

/** Rejects if the other process does not get through. */
async function counts(process: IndexProcess, times = 5): Promise<void> {
  let isDone = false;
  void process.ask('count', { key: 'd/counted', times }).then(() => (isDone = true));
  await vi.waitFor(() => expect(isDone).toBe(true), PATIENCE);
}

describe('a process that is wedged', () => {
  it.each([0, 1, 2, 3, 4])('%i turns after it has asked for a write keeps nobody waiting', async (count) => {
    const { one, two, until } = await given();
    const done = one.ask('wedgeAfter', { count, until });
    await one.says('wedged');
    await counts(two);
    writeFileSync(until, '');
    await done;
    expect(await two.ask('read', { key: 'd/wedged' })).toBe('1');
  });

  it('in the middle of its work keeps nobody waiting', async () => {
    const { one, two, until } = await given();
    const done = one.ask('wedgeInside', { until });
    await one.says('wedged');
    await counts(two);
    writeFileSync(until, '');
    await done;
    expect(await two.ask('read', { key: 'd/wedged' })).toBe('1');
  });
});

describe('a process that ends, or is stopped, while its thread holds the lock', () => {
  it('leaves it to the others when it is killed', async () => {
    const { one, two, until } = await given();
    void one.ask('holdLock', { until });
    await one.says('holding');
    one.signal('SIGKILL');
    await counts(two);
  });

  it('stops their writes until it goes on, but not their event loops', async () => {
    const { one, two, until } = await given();
    const held = one.ask('holdLock', { until });
    await one.says('holding');
    one.signal('SIGSTOP');
    let isDone = false;
    const counted = two.ask('count', { key: 'd/counted', times: 1 }).then(() => (isDone = true));
    const before = Number(await two.ask('ticks'));
    await vi.waitFor(async () => expect(await two.ask('ticks')).toBeGreaterThan(before + 20), PATIENCE);
    expect(isDone).toBe(false);
    writeFileSync(until, '');
    one.signal('SIGCONT');
    await Promise.all([held, counted]);
  });
});

it('nothing is lost when all write to the same record', async () => {
  const { one, two, directory } = await given();
  const three = await IndexProcess.start(directory);
  const all = [one, two, three];
  const keys = ['d/x', 'n/1', 'm/A', 's/A/x', 'c/x/A'];
  await Promise.all(
    all.flatMap((each) =>
      Array.from({ length: 20 }, async () => {
        for (const key of keys) await each.ask('count', { key, times: 3 });
      }),
    ),
  );
  for (const key of keys) expect(await one.ask('read', { key }), key).toBe('180');
});

it('work on thousands of messages at once is one commit', async () => {
  const index = await IndexDatabase.open(join(folder(), 'index'));
  const ids = Array.from({ length: 3_000 }, (_, count) => `ID${count}`);
  await index.write((records) => ids.forEach((id) => records.put(keys.message(id), '1')));
  await index.write((records) => ids.forEach((id) => records.put(keys.message(id), '2')));
  expect(index.read((records) => new Set(ids.map((id) => records.get(keys.message(id)))))).toEqual(
    new Set(['2']),
  );
  await index.close();
});
