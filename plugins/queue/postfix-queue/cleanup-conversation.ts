/** One connection to cleanup(8), from its queue id to its status. */

import type { Duplex } from '../../../bindings/plugin/index.ts';
import { feed, type Blocks } from '../../../bindings/wire/feed.ts';
import { AttributeReader } from './records.ts';

/** `isHandedOver` tells whether cleanup may have all of the message: then it must not be given to another one. */
export type CleanupAnswer =
  | { readonly kind: 'answered'; readonly queueId: string; readonly status: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly isHandedOver: boolean; readonly problem: string };

type Attributes = ReadonlyMap<string, string>;

/** Queue ids go into replies and logs. */
const QUEUE_ID = /^[A-Za-z0-9]{1,64}$/;

/** Never rejects. `socket` is connected; it is closed at the end. `makeMessage` is asked once cleanup has a queue file. */
export async function converse(
  socket: Duplex,
  makeMessage: () => Blocks,
  signal: AbortSignal,
): Promise<CleanupAnswer> {
  const answers = new Answers(socket, signal);
  let isHandedOver = false;
  const failed = (problem: string): CleanupAnswer => ({ kind: 'failed', isHandedOver, problem });
  try {
    const greeting = await answers.next();
    if (typeof greeting === 'string') return failed(greeting);
    const queueId = greeting.get('queue_id') ?? '';
    if (!QUEUE_ID.test(queueId)) return failed('it named no queue id');
    isHandedOver = true;
    const isTaken = await feed(socket, makeMessage());
    const answer = await answers.next();
    if (typeof answer === 'string') return failed(answer);
    const status = answer.get('status') ?? '';
    if (!/^\d{1,9}$/.test(status)) return failed('it named no status');
    if (!isTaken && status === '0') return failed('it closed the connection before the message was whole');
    return { kind: 'answered', queueId, status: Number(status), reason: answer.get('reason') ?? '' };
  } catch (cause) {
    return failed(`the message can not be read: ${String(cause)}`);
  } finally {
    answers.close();
  }
}

/** The attribute lists that arrive, one after the other; a string instead of one is why there is none. */
class Answers {
  readonly #socket: Duplex;
  readonly #reader = new AttributeReader();
  readonly #signal: AbortSignal;
  #failure: string | undefined = undefined;
  #waiting: ((answer: Attributes | string) => void) | undefined = undefined;
  #ready: Attributes[] = [];

  constructor(socket: Duplex, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.on('data', (block) => this.#take(block));
    socket.on('error', (cause) => this.#fail(cause.message));
    socket.on('close', () => this.#fail('it closed the connection without a status'));
    if (signal.aborted) this.#giveUp();
    else signal.addEventListener('abort', this.#giveUp, { once: true });
  }

  next(): Promise<Attributes | string> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#failure !== undefined) return Promise.resolve(this.#failure);
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#giveUp);
    this.#socket.destroy();
  }

  readonly #giveUp = (): void => this.#fail('no answer within its time');

  #take(block: Buffer): void {
    for (let list = this.#reader.take(block); list !== undefined; list = this.#reader.take()) {
      if (list === 'garbage' || this.#ready.length > 2)
        return this.#fail('what it says is not the protocol of cleanup');
      if (this.#waiting === undefined) this.#ready.push(list);
      else this.#settle(list);
    }
  }

  #settle(answer: Attributes | string): void {
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve?.(answer);
  }

  #fail(problem: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = problem;
    this.#socket.destroy();
    this.#settle(problem);
  }
}
