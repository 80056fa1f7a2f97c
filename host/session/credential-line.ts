/**
 * Command lines that may hold a credential: the log must not show them, nor plugins that quote them. What is hidden depends
 * on what the client did before, not on the form of the line, because it is the malformed attempt that gives a password away.
 */

import { CommandFlag, Verb } from '../../bindings/core/contract.ts';
import type { Command } from './command.ts';
import type { Session } from './session.ts';

/** Occurs in the line of a client that tries to log in: by SMTP, POP3, IMAP, HTTP, or with a typing error. */
const ATTEMPT = /auth|pass|login|plain|scram|md5|bearer|token|secret|ntlm|gssapi|kerberos/i;
/** The beginning of such a line that cannot be a part of the secret. */
const VERB_OF_AUTH = /^[a-z]{0,4}auth(?![a-z])/i;
/** Mechanisms of RFC 4422's registry, and those that clients in the field use. Anything else after AUTH may be a password. */
const MECHANISM =
  /^(?:plain|login|cram-md5|digest-md5|scram-sha-(?:1|256|512)(?:-plus)?|oauthbearer|xoauth2?|external|anonymous|gssapi|gs2-krb5|ntlm|otp|9798-[um]-[a-z0-9-]{1,20})$/i;
/** Verbs whose argument is an address, a host, a size or attributes. That of others is free text. */
const ARGUED: ReadonlySet<Verb> = new Set<Verb>([
  Verb.Mail,
  Verb.Rcpt,
  Verb.Bdat,
  Verb.Xclient,
  Verb.Xforward,
]);
const UNSAFE = CommandFlag.Nul | CommandFlag.BareCr | CommandFlag.Control;

export const mechanismOf = ({ argument }: Command): string | undefined => {
  const [name = ''] = argument.split(/[ \t]/, 1);
  return MECHANISM.test(name) ? name : undefined;
};

/**
 * To be called for each command before anything of it is logged. Costs two comparisons unless the client tried to log
 * in.
 */
export function hideCredentials(session: Session): void {
  const { command } = session;
  session.hidden = undefined;
  if (command.verb !== Verb.Auth && command.verb !== Verb.Unknown && !session.hasTriedAuth) return;
  if (command.verb === Verb.Auth || (command.verb === Verb.Unknown && ATTEMPT.test(command.line)))
    session.hasTriedAuth = true;
  if (!session.hasTriedAuth || isHarmless(command)) return;
  const { verb, verbText, argument } = command;
  const parts = argument.split(/[ \t]+/);
  if (verb === Verb.Auth && mechanismOf(command) !== undefined) parts.shift();
  if (verb === Verb.Unknown && !/^[a-z]{0,4}auth[:=]?$/i.test(verbText)) parts.push(verbText);
  const secrets = parts.filter((part) => part !== '' && part !== '=' && part !== '*');
  // Plugins are told the verb in lower case, and quote what they are told as they like.
  session.hidden = [...new Set(secrets.flatMap((part) => [part, part.toLowerCase(), part.toUpperCase()]))];
}

/** A line that cannot be a response to a challenge. */
function isHarmless({ verb, flags, hasArgument, argument }: Command): boolean {
  if (verb === Verb.Unknown || verb === Verb.Auth || (flags & UNSAFE) !== 0) return false;
  if (verb === Verb.Helo || verb === Verb.Ehlo) return !/[ \t]/.test(argument);
  return !hasArgument || ARGUED.has(verb);
}

/** The command line as the log may have it. */
export function loggable({ command, hidden }: Session): string {
  if (hidden === undefined || hidden.length === 0) return command.line;
  const { line, verb, verbText } = command;
  const mechanism = verb === Verb.Auth ? mechanismOf(command) : undefined;
  if (mechanism !== undefined) return `${verbText} ${mechanism} <hidden credentials>`;
  const shown = verb === Verb.Unknown ? (VERB_OF_AUTH.exec(line)?.[0] ?? '') : verbText;
  return `${shown}${shown === '' ? '' : ' '}<hidden ${line.length - shown.length} octets>`;
}
