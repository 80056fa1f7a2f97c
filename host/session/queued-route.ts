/** The route of most messages: kept by the session (host/message/content.ts) and given to the `queue` plugins once whole. */

import { declined, ok, type Verdict } from '../../bindings/plugin/verdict.ts';
import type { MessageRoute, RouteAnswer } from './message-route.ts';
import type { Session } from './session.ts';

const accepted: Verdict = ok();

/** Has no state of its own: one serves every session. */
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
    // What is kept of the message is the session's, which gives it back itself.
  }

  close(): void {
    // As for `reset`.
  }
}

export const queuedRoute: MessageRoute = new QueuedRoute();
