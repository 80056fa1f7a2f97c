/** Work that would hold up the event loop, and with it all sessions of the process: done in threads. Part of `Services`. */

/** Why there is no result. */
export type WorkerFaultKind =
  /** The function threw, or what it returned can't be handed over. */
  | 'threw'
  /** It took longer than it may: the thread was ended. */
  | 'timeout'
  /** The signal of the caller, or the pool was closed. */
  | 'stopped'
  /** Too many wait already. */
  | 'full'
  /** The thread ended: out of memory, or its module could not be loaded. */
  | 'died';

/** All but `threw` are faults of this host, or may be: a message is put off for them, not refused. */
export class WorkerError extends Error {
  readonly kind: WorkerFaultKind;

  constructor(kind: WorkerFaultKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WorkerError';
    this.kind = kind;
  }
}

export interface WorkerPoolOptions {
  /**
   * What the threads load: `new URL('./NAME.js', import.meta.url)`. Its exports are functions of one argument; it has no
   * environment variables, and its top level is run once in each thread.
   */
  readonly module: URL;
  /** At most so many at a time, each begun when it is needed and ended after ten idle seconds. */
  readonly threads: number;
  /** Calls that may wait for a thread. */
  readonly waiting: number;
  /** Megabytes of a thread's heap; one that needs more dies. Buffers do not count. */
  readonly memoryMb: number;
}

export interface WorkerCall {
  /** From when the thread begins. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** `M` is the type of the module: `typeof NAME`, where NAME is its namespace, imported as a type. */
export interface WorkerPool<M> {
  /**
   * What the function `name` of the module returns, or resolves with. Argument and result are copied (structured clone).
   * Rejects with a `WorkerError`.
   */
  run<N extends keyof M & string>(
    name: N,
    argument: M[N] extends (argument: infer A) => unknown ? A : never,
    call: WorkerCall,
  ): Promise<M[N] extends (argument: never) => infer R ? Awaited<R> : never>;
  /** Ends all threads, and calls under way with `stopped`. To be registered with `Setup.onClose`. */
  close(): void;
}

export interface Workers {
  /** Starts nothing: the first call does. */
  open<M>(options: WorkerPoolOptions): WorkerPool<M>;
}
