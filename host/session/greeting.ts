/** The connection's beginning: who is it, is he welcome, and the banner. RFC 5321 section 3.1. */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { refuse } from './closing.ts';
import { COMMAND } from './input-mode.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { askHook, NEXT, STOP, type Progress, type Settle, type Step } from './steps.ts';

const settlePreConnection: Settle = (session, verdict) => refuse(session, 'pre-connection', verdict) ?? NEXT;

/** Finds the client's name unless somebody knows it. Plugins and the Received field are told it. */
function nameClient(session: Session): Progress {
  const { facts, host } = session;
  const found = session.intake.host === undefined ? host.reverseLookup.nameOf(facts.remoteIp) : undefined;
  if (!(found instanceof Promise)) return announce(session, found);
  return found.then((name) => announce(session, name));
}

function announce(session: Session, name: string | undefined): Progress {
  const { facts } = session;
  if (name !== undefined) facts.remoteHost = name;
  if (session.host.logger.writes(LogLevel.NOTICE)) {
    session.log(LogLevel.NOTICE, `Connection from ${facts.remoteInfo} [${facts.remoteIp}]`);
  }
  return NEXT;
}

const settleConnect: Settle = (session, verdict) => {
  const refused = refuse(session, 'connect', verdict);
  if (refused !== undefined) return refused;
  session.mode = COMMAND;
  if (verdict.code !== ReturnCode.DONE) session.send(replies.greeting, banner(session));
  return STOP;
};

/** `smtpgreeting` if it is set, with the word ESMTP made sure of: clients look for it before they try EHLO. */
function banner(session: Session): string {
  const { settings, version } = session.host;
  const own = settings.smtpGreeting;
  if (own === undefined) {
    return `${settings.me} ESMTP qpsmtpd ${version} ready; send us your mail, but not your spam.`;
  }
  return /\bESMTP\b/.test(own) ? own : `${own} ESMTP`;
}

export const greet: readonly Step[] = [
  askHook('pre-connection', settlePreConnection),
  nameClient,
  askHook('connect', settleConnect),
];
