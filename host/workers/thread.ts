/** What a thread of a pool does: calls functions of its module, one after the other, as it is told. */

import { parentPort, workerData } from 'node:worker_threads';

/** What a thread is told. */
export interface Call {
  readonly name: string;
  readonly argument: unknown;
}

/** What it answers. */
export type Answer = { readonly value: unknown } | { readonly problem: string };

const { module } = workerData as { readonly module: string };
const port = parentPort!;
const functions = (await import(module)) as Readonly<Record<string, unknown>>;

async function answerTo({ name, argument }: Call): Promise<void> {
  try {
    const asked = functions[name];
    if (typeof asked !== 'function') throw new TypeError(`the module has no function ${name}`);
    const value: unknown = await asked(argument);
    port.postMessage({ value } satisfies Answer);
  } catch (cause) {
    // Not the error itself: it may hold what can't be copied.
    port.postMessage({ problem: String(cause) } satisfies Answer);
  }
}

port.on('message', (call: Call) => void answerTo(call));
