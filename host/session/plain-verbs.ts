/** Short verbs: RSET NOOP VRFY HELP QUIT, and everything unknown. RFC 5321 sections 4.1.1.5 to 4.1.1.10. */

import { Verb } from '../../bindings/core/contract.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { Command } from './command.ts';
import { mechanismOf } from './credential-line.ts';
import { closeWith, hasMoreUnrecognized } from './limits.ts';
import { disconnect, refuse, resetTransaction } from './closing.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { answer, askHook, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

function answerReset(session: Session): Progress {
  session.facts.forwarded = undefined;
  return answer(session, replies.ok);
}
export const rset: readonly Step[] = [resetTransaction, answerReset];

const settleNoop: Settle = (session, verdict) => {
  const refused = refuse(session, 'noop', verdict);
  if (refused !== undefined) return refused;
  if (verdict.code !== ReturnCode.DONE) session.send(replies.ok);
  return STOP;
};
export const noop: readonly Step[] = [askHook('noop', settleNoop)];

const settleVrfy: Settle = (session, verdict) => {
  const refused = refuse(session, 'vrfy', verdict);
  if (refused !== undefined) return refused;
  if (verdict.code === ReturnCode.OK) session.sendVerdict(replies.verified, verdict);
  else if (verdict.code !== ReturnCode.DONE) session.send(replies.cannotVerify);
  return STOP;
};
export const vrfy: readonly Step[] = [askHook('vrfy', settleVrfy)];

const settleHelp: Settle = (session, verdict) => {
  const refused = refuse(session, 'help', verdict);
  if (refused !== undefined) return refused;
  const { settings, version } = session.host;
  const shown = settings.smtpGreeting === undefined ? version : '';
  if (verdict.code !== ReturnCode.DONE) session.sendVerdict(replies.help, verdict, shown);
  return STOP;
};
function askHelp(session: Session): Progress {
  const { hooks } = session.host;
  return settled(session, hooks.run('help', session, session.command.argument), settleHelp);
}
export const help: readonly Step[] = [askHelp];

const settleQuit: Settle = (session, verdict) => {
  if (verdict.code !== ReturnCode.DONE) {
    session.sendVerdict(replies.closing, verdict, session.host.settings.me);
  }
  session.hasQuit = session.command.isLast;
  return disconnect(session);
};
export const quit: readonly Step[] = [askHook('quit', settleQuit)];

const settleUnrecognized: Settle = (session, verdict) => {
  if (verdict.code === ReturnCode.DONE) return STOP;
  if (hasMoreUnrecognized(session)) return closeWith(session, replies.tooManyUnrecognized);
  return refuse(session, 'unrecognized_command', verdict) ?? answer(session, replyToUnknown(session));
};

/** qpsmtpd knows neither EXPN nor ETRN. RFC 5321 section 4.2.4 has a code for verbs that are known and not there. */
function replyToUnknown({ command, host }: Session): Template {
  const isKnown = command.verb === Verb.Expn || command.verb === Verb.Etrn;
  return isKnown && host.printer.style === 'enhanced' ? replies.notImplemented : replies.unrecognized;
}

/** What follows the mechanism of AUTH is a password in thin disguise, and plugins log what they did not recognize. */
const argumentOf = (command: Command): string =>
  command.verb === Verb.Auth ? (mechanismOf(command) ?? '') : command.argument;

function askUnrecognized(session: Session): Progress {
  const { command, host } = session;
  const answer = host.hooks.run(
    'unrecognized_command',
    session,
    command.verbText.toLowerCase(),
    argumentOf(command),
  );
  return settled(session, answer, settleUnrecognized);
}
export const unrecognized: readonly Step[] = [askUnrecognized];
