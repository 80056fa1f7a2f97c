/** An answer that comes later, or never: waited for as long as its budget lasts. */

import type { Answer } from '../../bindings/plugin/index.ts';
import type { Deadlines, Expiring } from '../session/deadlines.ts';
import { NOWHERE } from '../session/roll.ts';

export class PendingAnswer implements Expiring {
  deadlineAt: number;
  watchedAt = NOWHERE;
  /** The answer; rejects with what the hook was rejected with, with `TimeIsUp`, or with what `fail` was given. */
  readonly settled: Promise<Answer>;
  readonly #deadlines: Deadlines;
  readonly #budgetMs: number;
  #isOver = false;
  #resolve!: (answer: Answer) => void;
  #reject!: (thrown: unknown) => void;

  /** `onLate` is told when the hook answers although its time was up; the answer itself is dropped. */
  constructor(answer: PromiseLike<Answer>, deadlines: Deadlines, budgetMs: number, onLate: () => void) {
    this.#deadlines = deadlines;
    this.#budgetMs = budgetMs;
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    deadlines.watch(this);
    this.deadlineAt = deadlines.now + budgetMs;
    answer.then(
      (value) => (this.#isOver ? onLate() : this.#end(() => this.#resolve(value))),
      (thrown: unknown) => (this.#isOver ? onLate() : this.fail(thrown)),
    );
  }

  /** True until the answer is there, or given up. */
  get isOpen(): boolean {
    return !this.#isOver;
  }

  /** Ends the wait with an error: of a timer, say, that was to bring the answer. */
  fail(thrown: unknown): void {
    this.#end(() => this.#reject(thrown));
  }

  expire(): void {
    this.fail(new TimeIsUp(this.#budgetMs));
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadlines.forget(this);
    settle();
  }
}

export class TimeIsUp extends Error {
  constructor(budgetMs: number) {
    super(`no answer within ${budgetMs / 1000} s`);
    this.name = 'TimeIsUp';
    // A stack would show the clock, which is not to blame.
    delete this.stack;
  }
}
