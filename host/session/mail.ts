/** MAIL: opens a transaction. RFC 5321 section 4.1.1.2. */

import { Address } from '../../bindings/wire/address.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { isLmtp, needsTls, offers } from './extensions.ts';
import { limitTransactions, requireMemory } from './limits.ts';
import { PLAIN_MAIL, readMailOptions } from './envelope-parameters.ts';
import { askPathHook, parsePathCommand, refuseInternational } from './path-input.ts';
import { refuse, resetTransaction } from './closing.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { beginSummary } from './summary.ts';
import { answer, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function requireHello(session: Session): Progress {
  if (session.facts.hello !== undefined) return NEXT;
  return answer(session, isLmtp(session) ? replies.needLhlo : replies.needHello);
}

/**
 * RFC 6409 section 4.3: a client that shows who it is, or whose address alone lets it relay. RFC 4954 section 6 has the
 * reply, and RFC 3207 section 4 that of the step before.
 */
function requireAuth(session: Session): Progress {
  const { facts, host } = session;
  if (!host.settings.authRequired || facts.auth !== undefined || facts.relayClient) return NEXT;
  const isTlsFirst = needsTls(session) && offers(session, 'STARTTLS');
  return answer(session, isTlsFirst ? replies.needTls : replies.needAuth);
}

function readOptions(session: Session): Progress {
  const { path } = session;
  path.mailOptions = PLAIN_MAIL;
  if (path.parameters.size === 0) return NEXT;
  const options = readMailOptions(session);
  if ('code' in options) return answer(session, options);
  path.mailOptions = options;
  return NEXT;
}

/** Senders that other mailers write for the null reverse-path: qmail's double bounces, and a bug of old ones. */
const isNullByCustom = (path: string): boolean => path === '<#@[]>' || path.includes('[undefined]');

function ask(session: Session): Progress {
  const { path, host } = session;
  const address = isNullByCustom(path.text) ? Address.null : path.address;
  if (path.needsUtf8 && !path.mailOptions.isUtf8)
    return answer(session, refuseInternational('mail', session));
  if (address === undefined) return answer(session, replies.badReversePath);
  session.sender = address;
  if (!host.hooks.has('mail')) return accept(session);
  return settled(session, host.hooks.run('mail', session, address, path.parameters), settle);
}

const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'mail', verdict, echo(session));
  if (refused !== undefined) return refused;
  return verdict.code === ReturnCode.DONE ? STOP : accept(session);
};

function accept(session: Session): Progress {
  session.counters.transactions++;
  const { transaction, sender, path } = session;
  transaction.begin(sender, path.parameters, path.mailOptions);
  beginSummary(session);
  return answer(session, replies.senderOk, echo(session));
}

const echo = ({ path, sender }: Session): string => path.echo(sender, path.mailOptions.isUtf8);

export const mail: readonly Step[] = [
  resetTransaction,
  requireHello,
  requireAuth,
  limitTransactions,
  requireMemory,
  parsePathCommand('mail'),
  readOptions,
  askPathHook('mail_pre'),
  ask,
];
