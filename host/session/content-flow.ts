/**
 * Passes content to a route while the message comes. Content that a host further on might read in another way than we do is cut
 * off, and its end is never told.
 */

import { DataFlag } from '../../bindings/core/contract.ts';
import type { ContentSink } from '../../bindings/plugin/cut-through.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { denySoft, withReplyCode } from '../../bindings/plugin/verdict.ts';
import type { IncomingData } from './incoming-data.ts';
import type { Session } from './session.ts';
import { NEXT, settled, type Outcome, type Progress, type Settle } from './steps.ts';
import { addTrace } from './trace.ts';

/** `held`: the route has not been asked; `kept`: it reads the message at the end; `broken`: it will not see the end. */
export type Flow = 'held' | 'kept' | 'flowing' | 'broken';

/** Line ends that some hosts take for the end of data or of a line and others do not. */
const AMBIGUOUS = DataFlag.BareCr | DataFlag.BareLf | DataFlag.LookAlike;
/** Hooks after the body whose plugins may want to read it. */
const READING_HOOKS = ['data_post_headers', 'data_post', 'queue_pre'] as const;

const notPassedOn = withReplyCode(denySoft('message was not passed on, try again later', '3.0'), 451);

/**
 * The header is whole: if the route takes the message along, the header gets its trace and goes out, and after it what has
 * come of the body. A change of the header comes too late then.
 */
export function offerHeader(session: Session): Progress {
  const { host, route, incoming } = session;
  if (!incoming.isHeaderAnnounced || incoming.flow !== 'held') return NEXT;
  const flags = incoming.isWhole ? incoming.flags : host.core.dataFlags(incoming.slot);
  // It will be refused at its end, so the route need not see any of it.
  if (incoming.isTooBig || (!incoming.isBinary && isUnsafe(flags))) return NEXT;
  let sink: ContentSink | undefined;
  try {
    sink = route.headerReady(session);
  } catch (cause) {
    // Parsed before the content is dropped: plugins may still ask for it.
    void incoming.message.header;
    return giveUp(session, incoming, cause);
  }
  if (sink === undefined) {
    incoming.flow = 'kept';
    return NEXT;
  }
  const traced = addTrace(session);
  return traced instanceof Promise ? traced.then(() => divert(session, sink)) : divert(session, sink);
}

function divert(session: Session, sink: ContentSink): Progress {
  const { host, incoming } = session;
  const { message } = incoming;
  incoming.flow = 'flowing';
  incoming.fieldsSent = message.header.names().length;
  const isKept = READING_HOOKS.some((hook) => host.hooks.has(hook));
  try {
    const poured = message.divert(sink, isKept);
    if (poured === undefined) return NEXT;
    return poured.then(
      (): Outcome => NEXT,
      (cause: unknown) => giveUp(session, incoming, cause),
    );
  } catch (cause) {
    return giveUp(session, incoming, cause);
  }
}

/** A step that fails inside the content would have the rest of it read as commands. */
function giveUp(session: Session, incoming: IncomingData, cause: unknown): Outcome {
  session.log(LogLevel.ERROR, `message not passed on: ${String(cause)}`);
  breakOff(session, incoming);
  return NEXT;
}

/**
 * True if the octets that have just come must not leave. A bare line end next to a dot might be an end of data to the next
 * host, and what follows a second message (SMTP smuggling).
 */
export const isUnsafe = (flags: number): boolean => (flags & AMBIGUOUS) !== 0;

/** The content that was sent is never ended: the route gives it up, and the rest is dropped here. */
export function breakOff(session: Session, incoming: IncomingData): void {
  incoming.flow = 'broken';
  session.route.reset();
  incoming.message.discard();
}

/** Asks the route to take the message. */
export function finishRoute(session: Session, settle: Settle): Progress {
  const { message, flow, fieldsSent } = session.incoming;
  if (flow !== 'kept' && flow !== 'flowing') return settle(session, notPassedOn);
  if (flow === 'flowing' && message.header.names().length !== fieldsSent) {
    session.log(
      LogLevel.NOTICE,
      'header fields added or removed behind data_headers_end do not reach the next hop',
    );
  }
  return settled(session, session.route.finish(session), settle);
}
