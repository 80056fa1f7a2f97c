/** What MAIL and RCPT have in common: they are taken apart by a plugin of the hook `mail_parse` or `rcpt_parse`, or here. */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { offers } from './extensions.ts';
import { refuse } from './closing.ts';
import { badPath } from './path-input.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, type Progress, type Settle, type Step } from './steps.ts';

type PathVerb = 'mail' | 'rcpt';

const HOOKS = { mail: 'mail_parse', rcpt: 'rcpt_parse' } as const;

/** The step that fills `session.path`. */
export function parsePathCommand(verb: PathVerb): Step {
  const hook = HOOKS[verb];
  const parse = (session: Session): Progress => {
    const refusal = session.path.take(verb, session.command, session.host.settings);
    return refusal === undefined ? NEXT : answer(session, refusal);
  };
  const settle: Settle = (session, verdict) => {
    const refused = refuse(session, hook, verdict);
    if (refused !== undefined) return refused;
    if (verdict.code !== ReturnCode.OK || verdict.lines.length === 0) return parse(session);
    session.path.takeParsed(verdict.lines, session.host.settings);
    return NEXT;
  };
  return (session) => {
    const { hooks } = session.host;
    if (!hooks.has(hook)) return parse(session);
    return settled(session, hooks.run(hook, session, session.command.text), settle);
  };
}

const settleReplacement: Settle = (session, verdict) => {
  const [replacement] = verdict.lines;
  if (verdict.code === ReturnCode.OK && replacement !== undefined) session.path.replace(replacement);
  return NEXT;
};

/** The step that asks `mail_pre` or `rcpt_pre`, whose plugins may replace the path before it is parsed. */
export function askPathHook(hook: 'mail_pre' | 'rcpt_pre'): Step {
  return (session) => {
    const { path, host } = session;
    if (!host.hooks.has(hook)) return NEXT;
    const text = path.spellOut(session.command);
    return settled(session, host.hooks.run(hook, session, text, path.parameters), settleReplacement);
  };
}

/**
 * The refusal of an address beyond ASCII from a client that did not say SMTPUTF8: it must learn that saying it would
 * help, or else that there is no such address. RFC 6531 section 3.5.
 */
export const refuseInternational = (verb: PathVerb, session: Session): Template =>
  offers(session, 'SMTPUTF8') ? replies.needsSmtpUtf8 : badPath[verb];
