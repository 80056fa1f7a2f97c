/** A bounded number of threads that do CPU-heavy work of a plugin. */

import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  WorkerError,
  type WorkerCall,
  type WorkerPool,
  type WorkerPoolOptions,
  type Workers,
} from '../../bindings/plugin/workers.ts';
import { Semaphore, SemaphoreFullError } from '../../bindings/timing/semaphore.ts';
import { findPackageRoot } from '../package/package-root.ts';
import type { Answer, Call } from './thread.ts';

const IDLE_MS = 10_000;

/** One thread; does one call at a time. */
class Thread {
  readonly #worker: Worker;
  #settle: ((answer: Answer | WorkerError) => void) | undefined = undefined;
  #idle: NodeJS.Timeout | undefined = undefined;
  isGone = false;

  constructor({ module, memoryMb }: WorkerPoolOptions) {
    this.#worker = new Worker(compiledFrom(new URL('./thread.js', import.meta.url)), {
      workerData: { module: compiledFrom(module).href },
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      // What the daemon was started with is nothing for code that reads what strangers send.
      env: {},
      execArgv: [],
      trackUnmanagedFds: false,
    });
    this.#worker.on('message', (answer: Answer) => this.#end(answer));
    this.#worker.on('messageerror', (cause) => this.#die(`its answer can't be read: ${cause.message}`));
    this.#worker.on('error', (cause) => this.#die(String(cause)));
    this.#worker.once('exit', () => this.#die('the thread ended'));
  }

  /** Resolves with what the function returned; rejects with a `WorkerError`. */
  async call(call: Call, { timeoutMs, signal }: WorkerCall): Promise<unknown> {
    clearTimeout(this.#idle);
    this.#worker.ref();
    const stop = (): void => this.stop();
    const timer = setTimeout(() => {
      this.#die(`the thread was not done within ${timeoutMs} ms`, 'timeout');
    }, timeoutMs);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        this.#settle = (ending) => {
          if (ending instanceof WorkerError) reject(ending);
          else resolve(ending);
        };
        this.#worker.postMessage(call);
      });
      if ('problem' in answer) throw new WorkerError('threw', answer.problem);
      return answer.value;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      this.#rest();
    }
  }

  stop(): void {
    this.#die('the work was stopped', 'stopped');
  }

  #end(ending: Answer | WorkerError): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(ending);
  }

  #die(message: string, kind: 'died' | 'timeout' | 'stopped' = 'died'): void {
    clearTimeout(this.#idle);
    if (!this.isGone) void this.#worker.terminate();
    this.isGone = true;
    this.#end(new WorkerError(kind, message));
  }

  /** An idle thread keeps no process alive. */
  #rest(): void {
    if (this.isGone) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => this.stop(), IDLE_MS);
    this.#idle.unref();
  }
}

class ThreadPool {
  readonly #options: WorkerPoolOptions;
  readonly #permits: Semaphore;
  readonly #idle: Thread[] = [];
  /** What ends each call, whether it waits or works. */
  readonly #calls = new Set<AbortController>();
  #isClosed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#permits = new Semaphore({ permits: options.threads, maxWaiting: options.waiting });
  }

  async run(name: string, argument: unknown, { timeoutMs, signal }: WorkerCall): Promise<unknown> {
    const controller = new AbortController();
    const stop = (): void => controller.abort(new WorkerError('stopped', 'the work was stopped'));
    if (this.#isClosed || signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    this.#calls.add(controller);
    try {
      return await this.#permits.use(
        () => this.#call({ name, argument }, { timeoutMs, signal: controller.signal }),
        controller.signal,
      );
    } catch (cause) {
      if (cause instanceof WorkerError) throw cause;
      if (cause instanceof SemaphoreFullError) throw new WorkerError('full', cause.message, { cause });
      // An argument that can't be copied, for one.
      throw new WorkerError('threw', String(cause), { cause });
    } finally {
      this.#calls.delete(controller);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #call(call: Call, limits: WorkerCall & { readonly signal: AbortSignal }): Promise<unknown> {
    // Between the permit and this line it may have been stopped.
    limits.signal.throwIfAborted();
    const thread = this.#takeThread();
    try {
      return await thread.call(call, limits);
    } finally {
      if (!thread.isGone) this.#idle.push(thread);
    }
  }

  close(): void {
    this.#isClosed = true;
    const reason = new WorkerError('stopped', 'the work was stopped');
    for (const call of this.#calls) call.abort(reason);
    for (const thread of this.#idle) thread.stop();
  }

  /** The one used last, so that the others may end. */
  #takeThread(): Thread {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.isGone) return idle;
    }
    return new Thread(this.#options);
  }
}

/**
 * The compiled file in place of one that was not compiled where it stands: a thread can't begin with a file of TypeScript in
 * every Node that runs the sources.
 */
function compiledFrom(module: URL): URL {
  const file = fileURLToPath(module);
  const root = findPackageRoot();
  const path = relative(root, file);
  return path.startsWith('..') || existsSync(file) ? module : pathToFileURL(join(root, 'dist', path));
}

export const workers: Workers = {
  open: <M>(options: WorkerPoolOptions) => new ThreadPool(options) as WorkerPool<M>,
};
