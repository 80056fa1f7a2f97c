/** An answer that comes later, or never: waited for as long as its budget lasts. */

import type { Answer } from '../../bindings/plugin/index.ts';
import type { Deadlines, Expiring } from '../../bindings/timing/deadlines.ts';
import { NOT_IN_SET } from '../../bindings/timing/dense-set.ts';

/** Handles the end of a wait. Never throws. */
export interface AnswerTaker<T> {
  /** The hook has answered in time. */
  answered(value: Answer): T;
  /** It was rejected with `thrown`, its time is up (`TimeIsUp`), or `fail` was given this. */
  failed(thrown: unknown): T;
  /** It answered although its time was up; the answer itself is dropped. */
  late(): void;
}

export class PendingAnswer<T> implements Expiring {
  deadlineAt: number;
  watchedAt = NOT_IN_SET;
  /** The result of `taker` for the end of the wait; never rejects. */
  readonly settled: Promise<T>;
  readonly #deadlines: Deadlines;
  readonly #budgetMs: number;
  readonly #taker: AnswerTaker<T>;
  #isOver = false;
  #resolve!: (result: T) => void;

  constructor(answer: PromiseLike<Answer>, deadlines: Deadlines, budgetMs: number, taker: AnswerTaker<T>) {
    this.#deadlines = deadlines;
    this.#budgetMs = budgetMs;
    this.#taker = taker;
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    deadlines.watch(this);
    this.deadlineAt = deadlines.now + budgetMs;
    answer.then(
      (value) => {
        if (this.#isOver) taker.late();
        else this.#end().#resolve(taker.answered(value));
      },
      (thrown: unknown) => {
        if (this.#isOver) taker.late();
        else this.fail(thrown);
      },
    );
  }

  /** True until the answer is there, or given up. */
  get isOpen(): boolean {
    return !this.#isOver;
  }

  /** Ends the wait with an error: of a timer, say, that was to bring the answer. */
  fail(thrown: unknown): void {
    if (!this.#isOver) this.#end().#resolve(this.#taker.failed(thrown));
  }

  expire(): void {
    this.fail(new TimeIsUp(this.#budgetMs));
  }

  #end(): this {
    this.#isOver = true;
    this.#deadlines.forget(this);
    return this;
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
