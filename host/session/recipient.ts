/** RCPT: adds a forward-path. Nothing is accepted unless a plugin says so. RFC 5321 section 4.1.1.3. */

import type { Recipient } from '../../bindings/plugin/connection.ts';
import { declined, ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { chunksHaveBegun } from './incoming-data.ts';
import { closeWith, hasMoreRefused, requireMemory } from './limits.ts';
import { readRecipientOptions } from './envelope-parameters.ts';
import { askPathHook, parsePathCommand, refuseInternational } from './path-input.ts';
import { refuse } from './closing.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function requireMail(session: Session): Progress {
  if (session.openTransaction?.reversePath === undefined) return answer(session, replies.needMail);
  // The plugins have been asked about the message for the recipients there were.
  return chunksHaveBegun(session) ? answer(session, replies.bdatBegun) : NEXT;
}

function readOptions(session: Session): Progress {
  const { path } = session;
  path.recipientOptions = undefined;
  if (path.parameters.size === 0) return NEXT;
  const options = readRecipientOptions(session);
  if ('code' in options) return answer(session, options);
  path.recipientOptions = options;
  return NEXT;
}

function ask(session: Session): Progress {
  const { path, host } = session;
  const { address } = path;
  // First, or a client would not learn what is wrong with `BÜCHER.example`, which is no U-label.
  if (path.needsUtf8 && !session.transaction.mailOptions.isUtf8) {
    return answer(session, refuseInternational('rcpt', session));
  }
  if (address === undefined || address.isNull) return answer(session, replies.badForwardPath);
  if (session.transaction.recipients.length >= host.settings.maxRecipients) {
    return answer(session, replies.tooManyRecipients);
  }
  session.recipient = address;
  if (!host.hooks.has('rcpt')) return settle(session, declined);
  return settled(session, host.hooks.run('rcpt', session, address, path.parameters), settle);
}

const settle: Settle = (session, verdict) => {
  if (verdict.code === ReturnCode.DENY && hasMoreRefused(session)) {
    return closeWith(session, replies.tooManyRefused);
  }
  const refused = refuse(session, 'rcpt', verdict, echo(session));
  if (refused !== undefined) return refused;
  if (verdict.code === ReturnCode.DONE) return STOP;
  if (verdict.code !== ReturnCode.OK) return answer(session, replies.nobodyDecided);
  return offer(session);
};

/** The plugins have accepted the recipient; now the route decides. */
function offer(session: Session): Progress {
  const { path, route } = session;
  const recipient: Recipient = {
    address: session.recipient,
    parameters: path.parameters,
    options: path.recipientOptions,
  };
  const answered = route.offer(session, recipient);
  return answered instanceof Promise
    ? answered.then((verdict) => settleOffer(session, recipient, verdict))
    : settleOffer(session, recipient, answered);
}

function settleOffer(session: Session, recipient: Recipient, verdict: Verdict): Progress {
  if (verdict.code !== ReturnCode.OK) return settle(session, verdict);
  session.acceptRecipient(recipient);
  session.sendVerdict(replies.recipientOk, verdict, echo(session));
  return STOP;
}

const echo = ({ path, recipient, transaction }: Session): string =>
  path.echo(recipient, transaction.mailOptions.isUtf8);

export const rcpt: readonly Step[] = [
  parsePathCommand('rcpt'),
  requireMail,
  requireMemory,
  readOptions,
  askPathHook('rcpt_pre'),
  ask,
];
