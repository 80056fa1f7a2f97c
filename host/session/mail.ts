/** MAIL: opens a transaction. RFC 5321 section 4.1.1.2. */

import { Address } from '../../bindings/plugin/address.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { resetTransaction } from './closing.ts';
import { askPathHook } from './path-hook.ts';
import { refuse } from './refusal.ts';
import { replies } from './replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function requireHello(session: Session): Progress {
  if (session.facts.hello !== undefined) return NEXT;
  return answer(session, replies.needHello);
}

function parse(session: Session): Progress {
  const refusal = session.path.take('mail', session.command);
  return refusal === undefined ? NEXT : answer(session, refusal);
}

/** Senders that other mailers write for the null reverse-path: qmail's double bounces, and a bug of old ones. */
const isNullByCustom = (path: string): boolean => path === '<#@[]>' || path.includes('[undefined]');

function ask(session: Session): Progress {
  const { path, host } = session;
  const address = isNullByCustom(path.text) ? Address.null : path.address;
  if (address === undefined) return answer(session, replies.badReversePath);
  session.sender = address;
  if (!host.hooks.has('mail')) return accept(session);
  return settled(session, host.hooks.run('mail', session, address, path.parameters), settle);
}

const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'mail', verdict, session.sender.toString());
  if (refused !== undefined) return refused;
  return verdict.code === ReturnCode.DONE ? STOP : accept(session);
};

function accept(session: Session): Progress {
  const { transaction, sender } = session;
  transaction.reversePath = sender;
  transaction.mailParameters = session.path.parameters;
  return answer(session, replies.senderOk, sender.toString());
}

export const mail: readonly Step[] = [resetTransaction, requireHello, parse, askPathHook('mail_pre'), ask];
