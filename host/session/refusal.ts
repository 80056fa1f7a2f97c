/** Turns a verdict that refuses into its reply, and does what goes with it. */

import type { HookName } from '../../bindings/plugin/hooks.ts';
import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { disconnect, resetTransaction } from './closing.ts';
import { refusals } from '../replies/refusals.ts';
import type { Session } from './session.ts';
import { STOP, type Outcome, type Progress } from './steps.ts';

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
