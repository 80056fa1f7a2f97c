/** RCPT: adds a forward-path. Nothing is accepted unless a plugin says so. RFC 5321 section 4.1.1.3. */

import type { Address } from '../../bindings/wire/address.ts';
import { declined, ReturnCode } from '../../bindings/plugin/verdict.ts';
import { hasBegun } from './chunk.ts';
import { closeWith, hasMoreRefused, requireMemory } from './limits.ts';
import { readRecipientOptions } from './rcpt-parameters.ts';
import { askPathHook } from './path-hook.ts';
import { parsePathCommand, refuseInternational } from './path-command.ts';
import { offerRecipient } from './passing-on.ts';
import { refuse } from './refusal.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function requireMail(session: Session): Progress {
  if (session.openTransaction?.reversePath === undefined) return answer(session, replies.needMail);
  // The plugins have been asked about the message for the recipients there were.
  return hasBegun(session) ? answer(session, replies.bdatBegun) : NEXT;
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
  if (session.host.cutThrough === undefined) return accept(session, session.recipient);
  return offerRecipient(session, { address: session.recipient, ...parametersOf(session) }, settleOffer);
};

/** What the next hop said of a recipient our plugins have accepted. */
const settleOffer: Settle = (session, verdict) => {
  if (verdict.code !== ReturnCode.OK) return settle(session, verdict);
  const { address, parameters, options } = { address: session.recipient, ...parametersOf(session) };
  session.transaction.addRecipient(address, parameters, options);
  session.sendVerdict(replies.recipientOk, verdict, echo(session));
  return STOP;
};

const parametersOf = ({ path }: Session) => ({
  parameters: path.parameters,
  options: path.recipientOptions,
});

function accept(session: Session, address: Address): Progress {
  const { path, transaction } = session;
  transaction.addRecipient(address, path.parameters, path.recipientOptions);
  return answer(session, replies.recipientOk, echo(session));
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
