import type { Deadlines, Expiring } from '../../../bindings/timing/deadlines.ts';
import { NOT_IN_SET } from '../../../bindings/timing/dense-set.ts';
import type { HopConnection } from './hop-connection.ts';
import { HopFault, hopReplies } from './hop-replies.ts';

/** One call of `deliver`: what it waits for can be broken off, by the caller or because its time is up. */
export class Attempt implements Expiring {
  deadlineAt: number;
  watchedAt = NOT_IN_SET;
  /** Why nothing more is to be begun. */
  fault: HopFault | undefined;
  /**
   * The transaction under way. Once the end of its content is on its way, time that is up would only make sure that nobody
   * knows what came of it. A function in its place makes V8 keep every message until the next full collection.
   */
  transaction: { readonly isEnding: boolean } | undefined = undefined;
  readonly #deadlines: Deadlines;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.stop(new HopFault('connect', hopReplies.aborted));
  #connection: HopConnection | undefined;
  #stopWaiting: ((fault: HopFault) => void) | undefined;

  constructor(deadlines: Deadlines, withinMs: number, signal: AbortSignal | undefined) {
    this.#deadlines = deadlines;
    this.#signal = signal;
    deadlines.watch(this);
    this.deadlineAt = deadlines.now + withinMs;
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** The connection everything hangs on from now. Closed at once if the attempt was stopped. */
  follow(connection: HopConnection): void {
    this.#connection = connection;
    if (this.fault !== undefined) connection.fail(this.fault);
  }

  /** `cancel` is called if the attempt is stopped before `waited`. */
  wait(cancel: (fault: HopFault) => void): void {
    this.#stopWaiting = cancel;
    if (this.fault !== undefined) cancel(this.fault);
  }

  waited(): void {
    this.#stopWaiting = undefined;
  }

  stop(fault: HopFault): void {
    if (this.fault !== undefined) return;
    this.fault = fault;
    this.#stopWaiting?.(fault);
    this.#connection?.fail(fault);
  }

  /** Nothing more is to be begun. */
  get isOver(): boolean {
    return this.fault !== undefined || this.deadlineAt <= this.#deadlines.now;
  }

  /** Comes again at each pass: the hop may yet say that it has not taken the message. */
  expire(): void {
    if (this.transaction?.isEnding !== true) this.stop(new HopFault('connect', hopReplies.tookTooLong));
  }

  /** The connection goes back to others. */
  release(): void {
    this.#connection = undefined;
    this.transaction = undefined;
  }

  finish(): void {
    this.release();
    this.#deadlines.forget(this);
    this.#signal?.removeEventListener('abort', this.#abort);
  }
}
