/** From the end of data to the reply that answers for the message. RFC 5321 sections 4.1.1.4 and 6.1. */

import { DataFlag } from '../../bindings/core/contract.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { declined, ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { internalError } from '../hooks/finding-policy.ts';
import { countCommandsAnew, measureMessage } from './limits.ts';
import { finishRoute, offerHeader } from './content-flow.ts';
import { refuse, resetTransaction } from './closing.ts';
import { refusals } from '../replies/refusals.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { askHook, NEXT, STOP, type Outcome, type Progress, type Settle, type Step } from './steps.ts';
import { takeSummary } from './summary.ts';
import { addTrace } from './trace.ts';

/** Spooled content must be on the disk before a plugin reads it. */
function finishContent(session: Session): Progress {
  const incoming = session.incoming;
  session.beginAnswer();
  const finished = incoming.complete();
  session.transaction.content = incoming.message;
  return finished === undefined ? NEXT : finished.then((): Outcome => NEXT);
}

/** Content no plugin needs to see: too big, not stored, or with line ends that the next hop might read otherwise. */
function refuseUnfit(session: Session): Progress {
  const { isTooBig, message, flags } = session.incoming;
  if (isTooBig) return answerAndReset(session, replies.messageTooBig);
  const { failure } = message.content;
  if (failure !== undefined) {
    // The memory budget has logged that it is used up; a line for each message would only make it worse.
    const level = failure.code === 'Q_MEMORY' ? LogLevel.INFO : LogLevel.ERROR;
    session.log(level, `message not stored: ${failure.message}`);
    return answerAndReset(session, replies.systemFull);
  }
  if ((flags & (DataFlag.BareCr | DataFlag.BareLf)) !== 0) {
    return answerAndReset(session, replies.bareLineEnds);
  }
  const refusal = measureMessage(session);
  return refusal === undefined ? NEXT : answerAndReset(session, refusal);
}

function answerAndReset(session: Session, reply: Template): Progress {
  session.send(reply);
  const reset = resetTransaction(session);
  return reset instanceof Promise ? reset.then((): Outcome => STOP) : STOP;
}

const settleHeadersEnd: Settle = (session, verdict) => {
  if (verdict === internalError) session.incoming.isHeaderUnjudged = true;
  return refuse(session, 'data_headers_end', firstLineOnly(verdict)) ?? NEXT;
};

const refuseUnjudged: Step = (session) =>
  session.incoming.isHeaderUnjudged ? settleDataPost(session, internalError) : NEXT;

/** qpsmtpd sends only the first line of the text at this hook. */
function firstLineOnly(verdict: Verdict): Verdict {
  return verdict.lines.length < 2 ? verdict : { ...verdict, lines: verdict.lines.slice(0, 1) };
}

/** The hook `data_headers_end`: while data still arrives if the header is whole by then, else at the end. */
const askHeadersEnd = askHook('data_headers_end', settleHeadersEnd);

export function announceHeader(session: Session): Progress {
  const incoming = session.incoming;
  if (incoming.isHeaderAnnounced) return NEXT;
  incoming.isHeaderAnnounced = true;
  session.transaction.content = incoming.message;
  return askHeadersEnd(session);
}

/** The steps after the header while the body still comes. */
export const takeHeader: readonly Step[] = [announceHeader, offerHeader];

const addTraceAtEnd: Step = (session) => (session.incoming.flow === 'flowing' ? NEXT : addTrace(session));

const settleDataPost: Settle = (session, verdict) => {
  const refused = refuse(session, 'data_post', verdict);
  if (refused !== undefined) return refused;
  return verdict.code === ReturnCode.DONE ? STOP : NEXT;
};

/** An answer changes nothing here, as in qpsmtpd; the failure of a plugin that must be asked does. */
const settleDataPostHeaders: Settle = (session, verdict) =>
  verdict === internalError ? settleDataPost(session, verdict) : NEXT;

/** A code that makes no sense here leaves qpsmtpd's client without a reply; ours is told to try again. */
const settleQueuePre: Settle = (session, verdict) => {
  if (verdict.code === ReturnCode.OK || verdict.code === ReturnCode.DECLINED) return NEXT;
  if (verdict.code === ReturnCode.DONE) return STOP;
  if (verdict !== internalError) session.log(LogLevel.ERROR, 'pre plugin returned illegal value');
  return answerAndReset(session, replies.notQueued);
};

/** The transaction ends before the reply goes out, so that nothing of it can leak into the next one. */
const settleQueue: Settle = (session, verdict) => {
  const summary = takeSummary(session);
  // Plugins are told of the end, and their verdicts must not count as the decision.
  const decidedBy = session.decidedBy ?? session.route.decidedBy;
  const reset = resetTransaction(session);
  const end = (): Progress => {
    session.decidedBy = decidedBy;
    const progress = report(session, verdict);
    summary?.write(
      session,
      session.refusalCode || (verdict.code === ReturnCode.DONE ? 'done' : '250'),
      verdict.hop,
    );
    return progress;
  };
  return reset instanceof Promise ? reset.then(end) : end();
};

function report(session: Session, verdict: Verdict): Progress {
  if (verdict.code === ReturnCode.DONE) return STOP;
  const { byMailbox } = verdict;
  if (byMailbox === undefined) tell(session, verdict);
  else
    for (const { address } of session.takeAnswered())
      tell(session, byMailbox.get(address.canonicalMailbox) ?? verdict);
  return NEXT;
}

function tell(session: Session, verdict: Verdict): void {
  const refusal = refusals.queue?.[verdict.code];
  if (refusal !== undefined) session.sendVerdict(refusal.reply, verdict);
  else if (verdict.code === ReturnCode.OK) acknowledge(session, verdict);
  else session.sendVerdict(replies.notQueued, verdict);
}

/** A client whose mail is accepted may go on. */
function acknowledge(session: Session, verdict: Verdict): void {
  countCommandsAnew(session);
  session.sendVerdict(replies.queued, verdict);
}

const finish: Step = (session) => finishRoute(session, settleQueue);

const askQueuePost: Step = (session) => {
  const { hooks } = session.host;
  return hooks.has('queue_post') ? tellQueuePost(session) : STOP;
};
const tellQueuePost = askHook('queue_post', (session, verdict) => {
  if (verdict.code !== ReturnCode.OK && verdict.code !== declined.code) {
    session.log(LogLevel.ERROR, `queue_post: ${verdict.lines.join(' ')}`);
  }
  return STOP;
});

export const endOfData: readonly Step[] = [
  finishContent,
  refuseUnfit,
  announceHeader,
  refuseUnjudged,
  offerHeader,
  askHook('data_post_headers', settleDataPostHeaders),
  addTraceAtEnd,
  askHook('data_post', settleDataPost),
  askHook('queue_pre', settleQueuePre),
  finish,
  askQueuePost,
];
