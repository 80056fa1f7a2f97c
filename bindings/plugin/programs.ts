/** Programs of this host. Part of `Services`. Never through a shell: arguments may hold what a client wrote. */

import type { Blocks } from '../wire/feed.ts';

export type { Blocks } from '../wire/feed.ts';

export interface ProgramResult {
  readonly exitCode: number;
  readonly output: string;
}

/** A program that reads a message, or parts of one, from its descriptors. */
export interface ProgramOrder {
  /** An absolute path and its arguments. */
  readonly command: readonly string[];
  /** Undefined: the daemon's own, for programs that are part of a mail system configured through it. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** What the program reads, one descriptor after the other. */
  readonly inputs: readonly { readonly fd: number; readonly blocks: Blocks }[];
  /** Descriptors it may write to; the beginning of each is kept. */
  readonly outputs: readonly number[];
}

/** How a run ended. `problem` is for the log. */
export type ProgramEnd =
  | {
      readonly kind: 'exited';
      readonly code: number;
      readonly pid: number;
      /** Everything went into its descriptors; it may still have closed them unread. */
      readonly hasTakenAll: boolean;
      readonly outputs: ReadonlyMap<number, string>;
    }
  | { readonly kind: 'died'; readonly problem: string; readonly outputs: ReadonlyMap<number, string> }
  | { readonly kind: 'not started' | 'given up' | 'unreadable' | 'full'; readonly problem: string };

export interface Programs {
  /** True if the file exists and may be executed. Only for use while a plugin is set up. */
  isExecutable(path: string): boolean;
  /** Runs a program without input; rejects after `timeoutMs` or if it can't be started. Output is capped. */
  run(path: string, args: readonly string[], options?: { timeoutMs?: number }): Promise<ProgramResult>;
  /**
   * Runs a program with a message on its descriptors, and resolves when it has ended; never rejects. An aborted `signal` ends
   * it and all it has started: SIGTERM, then SIGKILL. If the message can't be read it is killed before it sees the end of its
   * input: half a message must not be delivered as a whole one.
   */
  feed(order: ProgramOrder, signal: AbortSignal): Promise<ProgramEnd>;
}
