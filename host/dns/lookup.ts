/** A question under way: who waits for its answer, and what was sent for it. */

import { DenseSet, NOT_IN_SET } from '../../bindings/timing/dense-set.ts';
import type { DnsOptions } from '../../bindings/plugin/resolver.ts';
import { failedAnswer } from './answer-limit.ts';
import type { Attempt } from './attempt.ts';
import type { DnsServer } from './dns-server.ts';
import type { AskedType } from './question.ts';
import type { AnyAnswer } from './reply-reader.ts';

/** The one who has to know when nobody waits any more. */
interface Owner {
  cancel(lookup: Lookup): void;
  /** One who waited has thrown: all others get their answer all the same. */
  blame(cause: unknown): void;
}

/** What is done with an answer. */
export interface Receiver {
  receive(answer: AnyAnswer): void;
}

/** Those who wait with one signal. It has one listener for all: a session has as many questions at a time as there are lists. */
class SignalWaiters {
  readonly #signal: AbortSignal;
  readonly #waiters = new DenseSet<'listedAt', Waiter>('listedAt');

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
    if (this.#waiters.size === 1) this.#signal.addEventListener('abort', this);
  }

  delete(waiter: Waiter): void {
    if (this.#waiters.delete(waiter) && this.#waiters.size === 0)
      this.#signal.removeEventListener('abort', this);
  }

  handleEvent(): void {
    this.#waiters.forEach((waiter) => waiter.lookup.leave(waiter, 'aborted'));
  }
}

const waitersOf = new WeakMap<AbortSignal, SignalWaiters>();

function waitersWith(signal: AbortSignal): SignalWaiters {
  let waiters = waitersOf.get(signal);
  if (waiters === undefined) waitersOf.set(signal, (waiters = new SignalWaiters(signal)));
  return waiters;
}

class Waiter {
  /** For `DenseSet`: among those with its signal, and among those of its question. */
  listedAt = NOT_IN_SET;
  waitsAt = NOT_IN_SET;
  readonly lookup: Lookup;
  readonly dueAt: number;
  readonly #receiver: Receiver;
  readonly #others: SignalWaiters | undefined;

  constructor(lookup: Lookup, receiver: Receiver, dueAt: number, signal: AbortSignal | undefined) {
    this.lookup = lookup;
    this.#receiver = receiver;
    this.dueAt = dueAt;
    this.#others = signal && waitersWith(signal);
    this.#others?.add(this);
  }

  settle(answer: AnyAnswer): void {
    this.#others?.delete(this);
    try {
      this.#receiver.receive(answer);
    } catch (cause) {
      this.lookup.owner.blame(cause);
    }
  }
}

export class Lookup {
  /** For `DenseSet`. */
  listedAt = NOT_IN_SET;
  readonly key: string;
  readonly name: string;
  readonly type: AskedType;
  /** The name that is asked for now: an alias leads on. */
  at: string;
  aliases = 0;
  /** Of the aliases so far. */
  isSecure = true;
  keepMs = Infinity;
  /** In the order in which they are asked. */
  servers: readonly DnsServer[];
  attempts: Attempt[] = [];
  /** Attempts that were made, of those that the limits allow. */
  tried = 0;
  /** Servers that have said that they cannot say. */
  refusals = 0;
  nextAt = Infinity;
  giveUpAt: number;
  /** Why there is no answer yet. */
  reason = 'timeout';
  isOver = false;
  /** False while it waits for room. */
  isSent = false;
  readonly owner: Owner;
  #waiters: DenseSet<'waitsAt', Waiter> | undefined = undefined;
  #shared: Promise<AnyAnswer> | undefined = undefined;
  #resolveShared: ((answer: AnyAnswer) => void) | undefined = undefined;

  constructor(
    owner: Owner,
    key: string,
    name: string,
    type: AskedType,
    servers: readonly DnsServer[],
    giveUpAt: number,
  ) {
    this.owner = owner;
    this.key = key;
    this.name = name;
    this.type = type;
    this.at = name;
    this.servers = servers;
    this.giveUpAt = giveUpAt;
  }

  /** All who have neither a limit nor a signal share one promise. */
  join(nowMs: number, options: DnsOptions | undefined): Promise<AnyAnswer> {
    if (options?.timeoutMs === undefined && options?.signal === undefined) {
      this.#shared ??= new Promise((resolve) => (this.#resolveShared = resolve));
      return this.#shared;
    }
    return new Promise((receive) => this.tell({ receive }, nowMs, options));
  }

  /** The receiver gets the answer, or a failure when its limit is over. */
  tell(receiver: Receiver, nowMs: number, options: DnsOptions | undefined): void {
    const timeoutMs = options?.timeoutMs;
    const dueAt = timeoutMs === undefined ? Infinity : nowMs + timeoutMs;
    const waiters = (this.#waiters ??= new DenseSet('waitsAt'));
    waiters.add(new Waiter(this, receiver, dueAt, options?.signal));
  }

  /** Those whose time is up leave; perhaps that is the end of it. */
  expire(nowMs: number): void {
    this.#waiters?.forEach((waiter) => {
      if (waiter.dueAt <= nowMs) this.leave(waiter, 'timeout');
    });
  }

  leave(waiter: Waiter, reason: 'aborted' | 'timeout'): void {
    const waiters = this.#waiters;
    if (waiters?.delete(waiter) !== true) return;
    waiter.settle(failedAnswer(this.name, reason));
    if (waiters.size === 0 && this.#shared === undefined) this.owner.cancel(this);
  }

  /**
   * At the end of its time: only those who have a later limit of their own wait on, until `giveUpAt` at first; the others are
   * told. False if there is nobody else.
   */
  outlasts(giveUpAt: number): boolean {
    let isWaitedFor = false;
    this.#waiters?.forEach(({ dueAt }) => (isWaitedFor ||= dueAt !== Infinity));
    if (!isWaitedFor) return false;
    this.giveUpAt = giveUpAt;
    const answer = failedAnswer(this.name, this.reason);
    this.#resolveShared?.(answer);
    this.#shared = this.#resolveShared = undefined;
    this.#waiters?.forEach((waiter) => {
      if (waiter.dueAt === Infinity && this.#waiters!.delete(waiter)) waiter.settle(answer);
    });
    return true;
  }

  settle(answer: AnyAnswer): void {
    this.isOver = true;
    this.#resolveShared?.(answer);
    const waiters = this.#waiters;
    this.#waiters = undefined;
    waiters?.forEach((waiter) => waiters.delete(waiter) && waiter.settle(answer));
  }
}
