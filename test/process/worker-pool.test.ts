import cluster from 'node:cluster';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Logger } from '../../host/observe/logger.ts';
import { WorkerFailure } from '../../host/process/exit-code.ts';
import { SharedLedger } from '../../host/process/connection-ledger.ts';
import { WorkerPool, type PoolOptions } from '../../host/process/worker-pool.ts';
import { PATIENCE_MS } from '../patience.ts';

const SCRIPT = join(import.meta.dirname, 'fake-worker.mjs');

interface Trial {
  readonly pool: WorkerPool;
  readonly log: string[];
  readonly forks: () => number;
}

let pools: WorkerPool[] = [];

afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.stop()));
  pools = [];
});

/** `behaviours`: what each fork does, in order; the last one is for all that follow. */
function tryPool(behaviours: readonly string[], options: Partial<PoolOptions> = {}): Trial {
  cluster.setupPrimary({ exec: SCRIPT, args: [], execArgv: [], silent: true });
  let forks = 0;
  const log: string[] = [];
  const pool = new WorkerPool({
    size: 1,
    fork: () => cluster.fork({ BEHAVIOUR: behaviours[Math.min(forks++, behaviours.length - 1)] }),
    ledger: new SharedLedger(undefined),
    logger: new Logger(7, (line) => log.push(line)),
    graceMs: PATIENCE_MS,
    onLost: () => undefined,
    backOff: { firstMs: 5, longestMs: 40, soundAfterMs: 60_000 },
    ...options,
  });
  pools.push(pool);
  return { pool, log, forks: () => forks };
}

describe('the start of a pool', () => {
  it('gives up after five silent deaths in a row, with the exit code of the worker', async () => {
    const { pool, log, forks } = tryPool(['die 3']);
    const failure = await pool.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkerFailure);
    expect(failure).toMatchObject({
      exitCode: 3,
      message: 'a worker ended with exit code 3 before it was ready',
    });
    expect(forks()).toBe(5);
    expect(log.map((line) => /replaced in (\d+) ms/.exec(line)?.[1])).toEqual(['5', '10', '20', '40']);
  });

  it('gives up at once when the worker says why it cannot start', async () => {
    const { pool, forks } = tryPool(['fail 78 plugins:2: no such plugin']);
    await expect(pool.start()).rejects.toMatchObject({ exitCode: 78, message: 'plugins:2: no such plugin' });
    expect(forks()).toBe(1);
  });

  it('goes on when a later attempt succeeds', async () => {
    const { pool, forks } = tryPool(['die 1', 'die 1', 'ready']);
    expect(await pool.start()).toEqual(['tcp://127.0.0.1:1']);
    expect(forks()).toBe(3);
  });

  it('gives up root when the first worker listens, before there is a second', async () => {
    let forksThen = 0;
    const trial = tryPool(['ready'], { size: 3, afterFirstReady: () => (forksThen = trial.forks()) });
    await trial.pool.start();
    expect(forksThen).toBe(1);
    expect(trial.forks()).toBe(3);
  });

  it('kills a worker that is not ready in time and says so', async () => {
    const { pool } = tryPool(['hang'], { readyTimeoutMs: 300 });
    await expect(pool.start()).rejects.toThrow('a worker was not ready within 0.3 s');
  });
});

describe('a running pool', () => {
  it('replaces workers that die, each time later', async () => {
    const { pool, log, forks } = tryPool([
      'ready then die 4',
      'ready then die 4',
      'ready then die 4',
      'ready',
    ]);
    await pool.start();
    await expect.poll(forks).toBe(4);
    const waits = log.map((line) => /ended with exit code 4; replaced in (\d+) ms/.exec(line)?.[1]);
    expect(waits).toEqual(['5', '10', '20']);
  });

  it('leaves the old workers alone when a new one cannot start', async () => {
    const { pool, forks } = tryPool(['ready', 'ready', 'fail 78 broken'], { size: 2 });
    await pool.start();
    await expect(pool.replaceAll()).rejects.toMatchObject({ exitCode: 78, message: 'broken' });
    expect(forks()).toBe(3);
  });

  it('exchanges every worker once', async () => {
    const { pool, log, forks } = tryPool(['ready'], { size: 2 });
    await pool.start();
    await pool.replaceAll();
    expect(forks()).toBe(4);
    expect(log).toEqual([]);
  });

  it('kills a worker that does not end when it is drained', async () => {
    const { pool } = tryPool(['ready and stay'], { graceMs: -4_900 });
    await pool.start();
    await pool.stop();
  });

  it('reports the loss of all workers when none can listen any more', async () => {
    const lost = new Promise<WorkerFailure>((resolve) => {
      const { pool } = tryPool(['ready then die 1', 'fail 71 EACCES'], { onLost: resolve });
      void pool.start();
    });
    expect(await lost).toMatchObject({ exitCode: 71, message: 'EACCES' });
  });
});
