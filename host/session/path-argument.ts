/** The argument of MAIL and RCPT as qpsmtpd takes it apart: parameters are cut from the right, the rest is the path. */

import type { Parameters } from '../../bindings/plugin/connection.ts';
import { replies } from './replies.ts';
import type { Template } from './reply.ts';

export interface PathArgument {
  /** With brackets if the client wrote them. */
  readonly path: string;
  readonly parameters: Parameters;
}

const PREFIX = { mail: /^from:[ \t]*/i, rcpt: /^to:[ \t]*/i };

const LAST_PARAMETER = /[ \t]+([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\u0000-\u0020\u007f]+))?$/;

/** Splits the argument; a `Template` is the refusal it earns. An absent argument is an empty path. */
export function splitPathArgument(verb: 'mail' | 'rcpt', argument: string): PathArgument | Template {
  const parameters = new Map<string, string | undefined>();
  if (argument === '') return { path: '', parameters };
  const prefix = PREFIX[verb].exec(argument);
  if (prefix === null) return replies.syntaxInCommand;
  let rest = argument.slice(prefix[0].length).trimEnd();
  if (rest === '') return verb === 'mail' ? { path: '<>', parameters } : replies.syntaxInAddress;
  for (let found = LAST_PARAMETER.exec(rest); found !== null; found = LAST_PARAMETER.exec(rest)) {
    const keyword = found[1]!.toLowerCase();
    if (!parameters.has(keyword)) parameters.set(keyword, found[2]);
    rest = rest.slice(0, found.index);
  }
  if (/@.*[ \t]/.test(rest)) return replies.syntaxInParameters;
  return { path: rest, parameters };
}
