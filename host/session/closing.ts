/** How transactions and connections end: by verbs, by refusals, and for good. */

import type { HookName } from '../../bindings/plugin/hooks.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { refusals } from '../replies/refusals.ts';
import { CLOSED, NEXT, notifyHook, STOP, type Outcome, type Progress, type Step } from './steps.ts';
import { summarizeConnection } from './summary.ts';
import type { Session } from './session.ts';

const tellReset = notifyHook('reset_transaction');
const tellDisconnect = notifyHook('disconnect');
const tellPostConnection = notifyHook('post-connection');

/**
 * Forgets the transaction after telling the plugins. All that the message held is given back. The plugins are told even
 * if there is none, as in qpsmtpd, where one follows upon the other without a gap.
 */
export const resetTransaction: Step = (session) => {
  if (session.hasChunk) session.chunk.refusal = undefined;
  // A refused MAIL may have brought results, and no transaction.
  session.facts.forgetResults('transaction');
  const told = tellReset(session);
  if (told instanceof Promise) return told.then(() => session.forgetTransaction());
  return session.openTransaction === undefined ? NEXT : session.forgetTransaction();
};

/** HELO and EHLO end a transaction, but the first of them has none to end. RFC 5321 section 4.1.4. */
export const endTransaction: Step = (session) => {
  if (session.openTransaction !== undefined || session.hasChunk) return resetTransaction(session);
  return NEXT;
};

/** Tells the plugins that a client leaves. */
export const farewell: readonly Step[] = [tellDisconnect, resetTransaction, tellPostConnection];

/**
 * Ends the connection in order: replies so far go out, the plugins learn of it, and the stream is closed in a way that
 * does not swallow the last reply. Safe to call again.
 */
export function disconnect(session: Session): Progress {
  if (session.mode === CLOSED) return STOP;
  session.mode = CLOSED;
  if (session.host.logger.writes(LogLevel.INFO)) session.log(LogLevel.INFO, 'click, disconnecting');
  return walk(session, farewell, 0);
}

/** The farewell must reach its end even if the client is gone, so it does not stop where other lists would. */
function walk(session: Session, steps: readonly Step[], from: number): Progress {
  for (let index = from; index < steps.length; index++) {
    const told = steps[index]!(session);
    if (told instanceof Promise) {
      session.flush();
      const goOn = (): Progress => walk(session, steps, index + 1);
      return told.then(goOn, goOn);
    }
  }
  summarizeConnection(session);
  session.hangUp();
  return STOP as Outcome;
}

/**
 * Answers with the refusal that `refusals.ts` gives for this hook and code; undefined if it gives none, because the
 * verdict does not refuse or the hook cannot. `about` is what the default text names.
 */
export function refuse(session: Session, hook: HookName, verdict: Verdict, about = ''): Progress | undefined {
  const refusal = refusals[hook]?.[verdict.code];
  if (refusal === undefined) return undefined;
  session.sendVerdict(refusal.reply, verdict, about);
  if (refusal.disconnects === true) return disconnect(session);
  if (refusal.resetsTransaction !== true) return STOP;
  const reset = resetTransaction(session);
  return reset instanceof Promise ? reset.then(stop) : STOP;
}

const stop = (): Outcome => STOP;
