/** Everything with a side effect reaches plugins through here: that is what makes tests and replays exact. */

import type { Transaction } from './connection.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface Programs {
  /** True if the file exists and may be executed. Only for use while a plugin is set up. */
  isExecutable(path: string): boolean;
  /** Runs a program without a shell; rejects after `timeoutMs` or if it can't be started. Output is capped. */
  run(path: string, words: readonly string[], options?: { timeoutMs?: number }): Promise<ProgramResult>;
}

export interface ProgramResult {
  readonly exitCode: number;
  readonly output: string;
}

/** How a Maildir delivery is laid out. */
export interface MaildirDelivery {
  /** The Maildir itself, or the folder under which `subdirectory` names one per recipient. */
  readonly directory: string;
  /** Pattern with %l (local part), %d (domain), %u (mailbox); undefined: one Maildir for all recipients. */
  readonly subdirectory: string | undefined;
  /** Mode of new directories; files get the same bits without execution. */
  readonly mode: number;
}

export interface Maildirs {
  /** Makes the Maildir's three directories if they are missing; throws with the path if that can't be done. */
  prepare(directory: string, mode: number): void;
  /** Resolves once the message is durable in `new/`; rejects with nothing left in `tmp/` otherwise. */
  deliver(transaction: Transaction, delivery: MaildirDelivery): Promise<void>;
}

export interface Services {
  readonly clock: Clock;
  /** A number in [0, 1). */
  random(): number;
  readonly programs: Programs;
  readonly maildirs: Maildirs;
  /** The number of this process, as log lines begin with it. */
  readonly processId: number;
  /** Writes one line to the standard error stream. */
  writeError(line: string): void;
}
