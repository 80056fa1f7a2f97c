/** AUTH: the command line that begins an exchange. RFC 4954 section 4. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { conceal } from '../observe/log-text.ts';
import { AuthAttempt, beginExchange } from './auth-exchange.ts';
import { knowsExtensions, needsTls, offeredMechanisms, offers } from './extensions.ts';
import { closeWith } from './limits.ts';
import { unrecognized } from './plain-verbs.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, STOP, type Progress, type Step } from './steps.ts';

/** A name of RFC 4422 section 3.1; anything else after AUTH may be a password and is not echoed. */
const MECHANISM_NAME = /^[A-Za-z0-9_-]{1,20}$/;

/** Without EHLO, without plugins, or without TLS where it is required, the verb is unknown, as in qpsmtpd. */
function requireOffer(session: Session): Progress {
  const { facts, host } = session;
  if (knowsExtensions(facts)) {
    if (offers(session, 'AUTH')) return NEXT;
    if (needsTls(session) && host.printer.style === 'enhanced') return answer(session, replies.authNeedsTls);
  }
  session.run(unrecognized);
  return STOP;
}

function refuseSecond(session: Session): Progress {
  return session.facts.auth === undefined ? NEXT : answer(session, replies.authAgain);
}

/** The right to relay must not change while recipients are being judged. RFC 4954 section 4. */
function refuseInTransaction(session: Session): Progress {
  return session.openTransaction?.reversePath === undefined ? NEXT : answer(session, replies.inTransaction);
}

/**
 * Every wrong password has been answered as such: closed with the last of them, a client would tell its user of a lost
 * connection. Nothing more is tried out here.
 */
function limitFailures(session: Session): Progress {
  const { counters, host } = session;
  if (counters.authFailures < host.settings.authFailures) return NEXT;
  session.log(LogLevel.NOTICE, `${counters.authFailures} failed authentications: connection closed`);
  return closeWith(session, replies.tooManyAuthFailures);
}

/** From here on the log hides what the client sends. */
function askParse(session: Session): Progress {
  const { command, host, hidden } = session;
  const attempt = new AuthAttempt();
  session.authAttempt = attempt;
  hidden?.forEach((secret) => attempt.hide(secret));
  if (!host.hooks.has('auth_parse')) return parse(session, attempt, command.argument);
  return settled(session, host.hooks.run('auth_parse', session, command.argument), (_, verdict) =>
    settleParse(session, attempt, verdict),
  );
}

/** OK may put another argument in place of the client's; any other code but DECLINED calls it broken. */
function settleParse(session: Session, attempt: AuthAttempt, verdict: Verdict): Progress {
  const isAccepted = verdict.code === ReturnCode.OK || verdict.code === ReturnCode.DECLINED;
  if (!isAccepted) {
    const lines = verdict.lines.map((line) => conceal(line, session.secrets));
    session.authAttempt = undefined;
    session.sendVerdict(replies.syntaxInCommand, { ...verdict, lines });
    return STOP;
  }
  const replacement = verdict.code === ReturnCode.OK ? verdict.lines[0] : undefined;
  return parse(session, attempt, replacement ?? session.command.argument);
}

function parse(session: Session, attempt: AuthAttempt, argument: string): Progress {
  const [name = '', initial, ...rest] = argument.trim().split(/[ \t]+/);
  const mechanism = offeredMechanisms(session).find((offered) => offered.name === name.toUpperCase());
  if (mechanism !== undefined && rest.length === 0) {
    return beginExchange(session, attempt, mechanism, initial);
  }
  session.authAttempt = undefined;
  if (mechanism !== undefined) return answer(session, replies.syntaxInParameters);
  return answer(session, replies.unknownMechanism, MECHANISM_NAME.test(name) ? name.toLowerCase() : '');
}

export const auth: readonly Step[] = [
  requireOffer,
  refuseSecond,
  refuseInTransaction,
  limitFailures,
  askParse,
];
