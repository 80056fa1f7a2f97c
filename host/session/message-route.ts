/**
 * Where the messages of one client go. The session runs the same steps for every route: it asks the plugins, keeps the
 * order of the verbs, and guards what leaves. A route decides what happens to the message: the queued route has it kept
 * until it is whole, the cut-through route takes it to a next hop while it comes.
 *
 * A session has one route at a time, from `SessionHost.openRoute`, and calls it in this order, one call after the other:
 *
 *     for each message   offer (each recipient), open, headerReady, [write, drained]..., finish, reset
 *     at the end         close
 *
 * `reset` may come at any point, also while an answer is waited for, and more than once; work that was begun is then given up.
 * An answer that comes after it counts for nothing. `close` comes last; only `reset` and a second `close` may follow.
 *
 * An answer that is no promise costs the session no wait: a route that knows its answer must not make a promise of it.
 *
 * Refusals are verdicts. A method that throws or rejects has a fault that is ours: the client is told 4yz and may try
 * again, and the transaction is forgotten, `reset` included. It never becomes a 5yz.
 */

import type { Recipient } from '../../bindings/plugin/connection.ts';
import type { ContentSink } from '../../bindings/plugin/cut-through.ts';
import { declined, ok, type Verdict } from '../../bindings/plugin/verdict.ts';
import type { Session } from './session.ts';

/** OK goes on; any other code is answered as if a plugin of the hook in question had said it. */
export type RouteAnswer = Verdict | Promise<Verdict>;

export interface MessageRoute {
  /** The plugin that the log names as the one that decided about the message, where no other did. */
  readonly decidedBy: string | undefined;
  /** `headerReady` is called as soon as the header has come, not only at the end of the message. */
  readonly wantsHeader: boolean;

  /** The plugins have accepted `recipient`, which joins the envelope if the answer is OK; its text is the reply. */
  offer(session: Session, recipient: Recipient): RouteAnswer;

  /**
   * The envelope is complete and there is a place for the content: may the client send it? Asked before 354, and before
   * the first chunk of BDAT. Answered as the hook `data`.
   */
  open(session: Session): RouteAnswer;

  /**
   * The plugins have been asked about the header (`data_headers_end`). Called once for a message that nothing speaks against:
   * before its end if the route `wantsHeader`, or plugins do, and the header's end is seen by then, else after it.
   *
   * Undefined: the message is kept whole and read at `finish`. Otherwise the message goes to the `ContentSink` from here on, in
   * order and without dot-stuffing: the header with its trace, what has come of the body, then each block as it comes.
   * Octets are given away and never change. The client is not read from while `drained` holds a promise. The octets kept
   * back there count for the memory budget. If the content turns out to be unfit (smuggling, size, a fault) writing
   * stops and `reset` is called at once, so that nothing of it can count as a message.
   */
  headerReady(session: Session): ContentSink | undefined;

  /**
   * The message is whole and no plugin has anything against it (`data_post`, `queue_pre`). OK means that it is durable or
   * has been taken by the host that is responsible for it now: the client is told 250. Answered as the hook `queue`.
   */
  finish(session: Session): RouteAnswer;

  /** The transaction is over, or its message is given up. A message without `finish` must not be delivered. */
  reset(): void;

  /** The client is gone, or has become another one. A `finish` that is under way is completed. */
  close(): void;
}

const accepted: Verdict = ok();

/**
 * The route of most messages: the session keeps the content (host/message/content.ts) and gives it to the `queue` plugins once it
 * is whole. It has no state: one serves every session.
 */
class QueuedRoute implements MessageRoute {
  readonly decidedBy = undefined;
  readonly wantsHeader = false;

  offer(): Verdict {
    return accepted;
  }

  open(): Verdict {
    return accepted;
  }

  headerReady(): undefined {
    return undefined;
  }

  finish(session: Session): RouteAnswer {
    const { hooks } = session.host;
    return hooks.has('queue') ? hooks.run('queue', session) : declined;
  }

  reset(): void {
    // The session keeps the content, and gives it back itself.
  }

  close(): void {
    // As for `reset`.
  }
}

export const queuedRoute: MessageRoute = new QueuedRoute();
