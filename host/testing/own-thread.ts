/** Work of plugins that is for threads, done at once in the thread of the test: `services.workers`. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WorkerError, type WorkerPool, type Workers } from '../../bindings/plugin/workers.ts';

type Functions = Readonly<Record<string, ((argument: unknown) => unknown) | undefined>>;

/** Arguments and results are copied, as between threads. Time limits do not hold: nothing could end the work. */
export const ownThread: Workers = {
  open<M>({ module }: { readonly module: URL }): WorkerPool<M> {
    let isClosed = false;
    const run = async (name: string, argument: unknown): Promise<unknown> => {
      if (isClosed) throw new WorkerError('stopped', 'the pool was closed');
      const functions = (await import(/* @vite-ignore */ sourceOf(module))) as Functions;
      try {
        return structuredClone(await functions[name]!(structuredClone(argument)));
      } catch (cause) {
        throw new WorkerError('threw', cause instanceof Error ? cause.message : String(cause), { cause });
      }
    };
    return { run: run as WorkerPool<M>['run'], close: () => void (isClosed = true) };
  },
};

/** Plugins name the compiled file, which tests of the sources may not have. */
function sourceOf(module: URL): string {
  return existsSync(fileURLToPath(module)) ? module.href : module.href.replace(/\.js$/, '.ts');
}
