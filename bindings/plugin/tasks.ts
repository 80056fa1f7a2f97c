/**
 * Tasks: work that one hook begins and a later one waits for, such as lookups that start at `connect` and are judged at
 * `rcpt`. A promise kept in a note would be an unhandled rejection if it failed before it is awaited, and would go on
 * after the client has left; a task is in the hands of the host from its first moment.
 */

import type { Lifetime } from './notes.ts';

/** A name for the work that carries the type of its result and its lifetime. Other plugins wait by importing it. */
export interface Task<T, L extends Lifetime = Lifetime> {
  readonly id: string;
  readonly lifetime: L;
  /** Never present: it makes the compiler keep `T`. */
  readonly type?: T;
}

/** Work that is aborted when the client leaves. */
export const connectionTask = <T>(id: string): Task<T, 'connection'> => ({ id, lifetime: 'connection' });

/** Work that is aborted with the transaction: at RSET, MAIL, HELO, EHLO and the end of data. */
export const transactionTask = <T>(id: string): Task<T, 'transaction'> => ({ id, lifetime: 'transaction' });

/** The tasks of one session. */
export interface Tasks {
  /**
   * Begins the work at once. `signal` is aborted at the end of the task's lifetime, and when the same task is begun
   * again. What `begin` throws or rejects with reaches the code that asks for the result, and nothing else.
   */
  start<T>(task: Task<T>, begin: (signal: AbortSignal) => T | PromiseLike<T>): void;
  /** The result; rejects with what the work failed with. Undefined at once if the work was not begun. */
  result<T>(task: Task<T>): Promise<T> | undefined;
}
