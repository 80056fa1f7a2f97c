/**
 * What MAIL or RCPT says, while its steps run: the path as text, as address, and the parameters. A plugin of the hook `mail_parse`
 * or `rcpt_parse` takes the line apart, or else this file. RFC 5321 sections 4.1.1.2 and 4.1.2.
 */

import { CommandFlag } from '../../bindings/core/contract.ts';
import type { MailOptions, Parameters, RecipientOptions } from '../../bindings/plugin/connection.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { Address } from '../../bindings/wire/address.ts';
import { decodeUtf8 } from '../../bindings/wire/international-address.ts';
import { parseLenientPath } from '../../bindings/wire/lenient-path.ts';
import { keepsLimits, parsePath } from '../../bindings/wire/path.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { SettingValues } from '../settings/settings.ts';
import { refuse } from './closing.ts';
import type { Command } from './command.ts';
import { PLAIN_MAIL } from './envelope-parameters.ts';
import { offers } from './extensions.ts';
import type { Session } from './session.ts';
import { answer, NEXT, settled, type Progress, type Settle, type Step } from './steps.ts';

type PathVerb = 'mail' | 'rcpt';

const PREFIX = { mail: /^from:[ \t]*/i, rcpt: /^to:[ \t]*/i };

const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\u0000-\u0020\u007f]+))?$/;
const BLANK = /[ \t]/;
const NO_PARAMETERS: Parameters = new Map();
const NOT_ASCII = /[^\u0000-\u007f]/;

export class PathInput {
  /** With brackets, as hooks `mail_pre` and `rcpt_pre` see it. Empty until asked for, if the command is canonical. */
  text = '';
  parameters: Parameters = NO_PARAMETERS;
  /** A keyword occurs twice. */
  isRepeating = false;
  /** The path has characters beyond ASCII, for which RFC 6531 wants SMTPUTF8. */
  isInternational = false;
  /** What the parameters of MAIL say, or those of RCPT. */
  mailOptions: MailOptions = PLAIN_MAIL;
  recipientOptions: RecipientOptions | undefined = undefined;
  #grammar: SettingValues['addressGrammar'] = 'strict';
  #address: Address | undefined = undefined;

  /** Takes the command apart; returns the refusal if that cannot be done. */
  take(verb: PathVerb, command: Command, { addressGrammar }: SettingValues): Template | undefined {
    this.#grammar = addressGrammar;
    this.text = '';
    this.isInternational = false;
    if (command.isCanonical) {
      const { localPart, domain } = command;
      this.parameters = command.parameters;
      this.isRepeating = command.isRepeating;
      if (addressGrammar === 'strict' && !keepsLimits(localPart, domain)) return badPath[verb];
      this.#address = new Address(localPart, domain);
      return undefined;
    }
    const argument =
      (command.flags & CommandFlag.EightBit) === 0 ? command.argument : decodeUtf8(command.argument);
    if (argument === undefined) return badPath[verb];
    const split = splitPathArgument(verb, argument, addressGrammar);
    if ('code' in split) return split;
    this.#take(split);
    return undefined;
  }

  /** A plugin took the command apart: the path, then parameters as `KEYWORD` or `KEYWORD=value`. */
  takeParsed([path = '', ...parameters]: readonly string[], { addressGrammar }: SettingValues): void {
    this.#grammar = addressGrammar;
    this.#take(withParameters(path, parameters));
  }

  /** Puts the path as text, for the hooks that may change it. */
  spellOut(command: Command): string {
    if (this.text === '' && this.#address !== undefined) this.text = command.path;
    return this.text;
  }

  /** A plugin replaced the path. */
  replace(path: string): void {
    this.text = path;
    this.isInternational = NOT_ASCII.test(path);
    this.#address = undefined;
  }

  /** The address, or undefined if the path is none. */
  get address(): Address | undefined {
    return (this.#address ??=
      this.#grammar === 'strict' ? parsePath(this.text) : parseLenientPath(this.text));
  }

  /** True if the client must have said SMTPUTF8. By qpsmtpd's grammar octets above 127 are letters like any others. */
  get needsUtf8(): boolean {
    return this.isInternational && this.#grammar === 'strict';
  }

  /**
   * The address as a reply shows it. Octets above 127 only reach clients that said SMTPUTF8: others may not cope
   * (RFC 6531 section 3.7.4).
   */
  echo(address: Address, isUtf8: boolean): string {
    const text = address.toString();
    return this.isInternational && !isUtf8 ? text.replace(/[^\u0000-\u007f]/g, '?') : text;
  }

  #take({ path, parameters, isRepeating }: PathArgument): void {
    this.replace(path);
    this.parameters = parameters;
    this.isRepeating = isRepeating;
  }
}

/** The replies to a malformed path. */
export const badPath = { mail: replies.badReversePath, rcpt: replies.badForwardPath } as const;

export interface PathArgument {
  /** With brackets if the client wrote them. */
  readonly path: string;
  /** The last of a repeated keyword counts. */
  readonly parameters: Parameters;
  readonly isRepeating: boolean;
}

/**
 * Splits the argument; a `Template` is the refusal it earns. An absent argument is an empty path. By qpsmtpd's rules
 * (`lenient`) parameters are cut from the right for as long as there are any; by those of RFC 5321 a path ends at its
 * `>` outside quotes. A path that is followed by anything but parameters is refused, with qpsmtpd's text.
 */
export function splitPathArgument(
  verb: PathVerb,
  argument: string,
  grammar: 'strict' | 'lenient',
): PathArgument | Template {
  if (argument === '') return withParameters('', []);
  const prefix = PREFIX[verb].exec(argument);
  if (prefix === null) return replies.syntaxInCommand;
  const text = trimEnd(argument.slice(prefix[0].length));
  if (text === '') return verb === 'mail' ? withParameters('<>', []) : replies.syntaxInAddress;
  const end = grammar === 'strict' ? endOfPath(text) : -1;
  return (end < 0 ? undefined : splitFromLeft(text, end)) ?? splitFromRight(text);
}

/** One past the `>` that closes the path, or -1 if the text is no path in brackets that a blank or the end follows. */
function endOfPath(text: string): number {
  if (!text.startsWith('<')) return -1;
  let isQuoted = false;
  for (let at = 1; at < text.length; at++) {
    const char = text[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === '\\' && isQuoted) at++;
    else if (char === '>' && !isQuoted) {
      return at + 1 === text.length || BLANK.test(text[at + 1]!) ? at + 1 : -1;
    }
  }
  return -1;
}

/** Undefined if anything but parameters follows the path. */
function splitFromLeft(text: string, end: number): PathArgument | undefined {
  const parameters = text
    .slice(end)
    .split(BLANK)
    .filter((part) => part !== '');
  if (!parameters.every((part) => PARAMETER.test(part))) return undefined;
  return withParameters(text.slice(0, end), parameters);
}

function splitFromRight(text: string): PathArgument | Template {
  const parameters: string[] = [];
  let end = text.length;
  for (;;) {
    // Step by step: a search for either kind of blank goes to the other end of the line where there is none of that kind.
    let start = end;
    while (start > 0 && !BLANK.test(text[start - 1]!)) start--;
    const part = text.slice(start, end);
    if (start === 0 || !PARAMETER.test(part)) break;
    parameters.push(part);
    end = start;
    while (end > 0 && BLANK.test(text[end - 1]!)) end--;
  }
  const rest = text.slice(0, end);
  const at = rest.indexOf('@');
  if (at >= 0 && BLANK.test(rest.slice(at))) return replies.syntaxInParameters;
  return withParameters(rest, parameters.reverse());
}

/** The path with its parameters, each `KEYWORD` or `KEYWORD=value`. What has another form is left out. */
export function withParameters(path: string, texts: readonly string[]): PathArgument {
  const parameters = new Map<string, string | undefined>();
  let isRepeating = false;
  for (const text of texts) {
    const found = PARAMETER.exec(text);
    if (found === null) continue;
    const keyword = found[1]!.toLowerCase();
    if (parameters.has(keyword)) isRepeating = true;
    parameters.set(keyword, found[2]);
  }
  return { path, parameters, isRepeating };
}

/** Without blanks at the end; a pattern for them takes quadratic time on a line full of blanks. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && BLANK.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

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
