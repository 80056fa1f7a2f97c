/** The hooks `mail_pre` and `rcpt_pre`, which may replace the path before it is parsed. */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { NEXT, settled, type Settle, type Step } from './steps.ts';

const settle: Settle = (session, verdict) => {
  const [replacement] = verdict.lines;
  if (verdict.code === ReturnCode.OK && replacement !== undefined) session.path.replace(replacement);
  return NEXT;
};

export function askPathHook(hook: 'mail_pre' | 'rcpt_pre'): Step {
  return (session) => {
    const { path, host } = session;
    if (!host.hooks.has(hook)) return NEXT;
    const text = path.spellOut(session.command);
    return settled(session, host.hooks.run(hook, session, text, path.parameters), settle);
  };
}
