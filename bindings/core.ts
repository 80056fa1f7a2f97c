/** The byte-level core: the contract, and which implementation of it this process gets. Published as `qpsmtpd/core`. */
import type { Core } from './core/contract.ts';
import { ReferenceCore } from './core/reference/index.ts';
import { WasmCore } from './core/wasm-core.ts';

export * from './core/contract.ts';
export { ReferenceCore, WasmCore };

export interface LoadedCore {
  readonly core: Core;
  /** One line for the log if the core is not the one to be wished for: what happened, and the remedy. */
  readonly notice?: string;
}

/** The core that `QPSMTPD_CORE` asks for cannot be had. */
export class CoreError extends Error {
  readonly code = 'Q_CORE';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CoreError';
  }
}

/**
 * Loads the compiled core, or the reference where WebAssembly cannot be had. Call it once per process: each compiled
 * core takes about 10 GiB of address space. `wanted` is `wasm` or `reference` to force one, the value of
 * `QPSMTPD_CORE` unless given. Throws `CoreError` if what is forced does not exist or does not load.
 */
export function loadCore(wanted: string = process.env['QPSMTPD_CORE'] ?? ''): LoadedCore {
  if (wanted === 'reference') return { core: new ReferenceCore() };
  if (wanted !== '' && wanted !== 'wasm') {
    throw new CoreError(`QPSMTPD_CORE=${wanted}: no such core (use wasm or reference, or leave it unset)`);
  }
  try {
    return { core: new WasmCore() };
  } catch (error) {
    const problem = `the compiled core cannot be loaded: ${describeProblem(error)}`;
    if (wanted === 'wasm') throw new CoreError(problem, { cause: error });
    return { core: new ReferenceCore(), notice: `${problem}; the slower reference core is used instead` };
  }
}

let ofProcess: LoadedCore | undefined;

/** The one that `loadCore` gives, loaded by the first call: all of the process share it. */
export const coreOfProcess = (): LoadedCore => (ofProcess ??= loadCore());

/** What went wrong and what helps, in one line. */
function describeProblem(error: unknown): string {
  if (typeof WebAssembly === 'undefined') return 'this Node has no WebAssembly (start it without --jitless)';
  const message = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
  if (error instanceof RangeError) {
    return `${message} (an address space limit such as LimitAS= or ulimit -v; start Node with --disable-wasm-trap-handler)`;
  }
  return `${message} (run npm run build:core, or install the package again)`;
}
