/** The tasks of one session, from their beginning to the end of their lifetime. */

import type { Task } from '../../bindings/plugin/index.ts';
import type { Lifetime } from '../../bindings/plugin/notes.ts';
import type { Tasks } from '../../bindings/plugin/tasks.ts';

interface Work {
  readonly lifetime: Lifetime;
  readonly result: Promise<unknown>;
  readonly controller: AbortController;
}

export class SessionTasks implements Tasks {
  readonly #works = new Map<string, Work>();
  #isOver = false;

  start<T>(task: Task<T>, begin: (signal: AbortSignal) => T | PromiseLike<T>): void {
    this.#works.get(task.id)?.controller.abort();
    const controller = new AbortController();
    if (this.#isOver) controller.abort();
    const result = new Promise<T>((resolve) => resolve(begin(controller.signal)));
    // The caller of `result` gets the failure; without this it would be an unhandled rejection until then.
    result.catch(() => undefined);
    this.#works.set(task.id, { lifetime: task.lifetime, result, controller });
  }

  result<T>(task: Task<T>): Promise<T> | undefined {
    return this.#works.get(task.id)?.result as Promise<T> | undefined;
  }

  /** Aborts what belongs to the transaction. */
  endTransaction(): void {
    for (const [id, { lifetime, controller }] of this.#works) {
      if (lifetime !== 'transaction') continue;
      this.#works.delete(id);
      controller.abort();
    }
  }

  /** Aborts everything: the client has left, or has become another one. */
  endConnection(): void {
    for (const { controller } of this.#works.values()) controller.abort();
    this.#works.clear();
  }

  /** Aborts everything, and from then on every task that is begun. */
  close(): void {
    this.#isOver = true;
    this.endConnection();
  }
}
