/** RCPT: adds a forward-path. Nothing is accepted unless a plugin says so. RFC 5321 section 4.1.1.3. */

import type { Address } from '../../bindings/plugin/address.ts';
import { declined, ReturnCode } from '../../bindings/plugin/verdict.ts';
import { askPathHook } from './path-hook.ts';
import { refuse } from './refusal.ts';
import { replies } from './replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function parse(session: Session): Progress {
  const refusal = session.path.take('rcpt', session.command);
  return refusal === undefined ? NEXT : answer(session, refusal);
}

function requireMail(session: Session): Progress {
  return session.openTransaction?.reversePath === undefined ? answer(session, replies.needMail) : NEXT;
}

function ask(session: Session): Progress {
  const { path, host } = session;
  const { address } = path;
  if (address === undefined || address.isNull) return answer(session, replies.badForwardPath);
  if (session.transaction.recipients.length >= host.settings.maxRecipients) {
    return answer(session, replies.tooManyRecipients);
  }
  session.recipient = address;
  if (!host.hooks.has('rcpt')) return settle(session, declined);
  return settled(session, host.hooks.run('rcpt', session, address, path.parameters), settle);
}

const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'rcpt', verdict, session.recipient.toString());
  if (refused !== undefined) return refused;
  if (verdict.code === ReturnCode.DONE) return STOP;
  if (verdict.code !== ReturnCode.OK) return answer(session, replies.nobodyDecided);
  return accept(session, session.recipient);
};

function accept(session: Session, address: Address): Progress {
  session.transaction.addRecipient(address, session.path.parameters);
  return answer(session, replies.recipientOk, address.toString());
}

export const rcpt: readonly Step[] = [parse, requireMail, askPathHook('rcpt_pre'), ask];
