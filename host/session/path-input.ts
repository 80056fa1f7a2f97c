/** What MAIL or RCPT says, while its steps run: the path as text, as address, and the parameters. */

import { CommandFlag } from '../../bindings/core/contract.ts';
import { Address } from '../../bindings/wire/address.ts';
import type { MailOptions, Parameters, RecipientOptions } from '../../bindings/plugin/connection.ts';
import type { SettingValues } from '../settings/settings.ts';
import type { Command } from './command.ts';
import { decodeUtf8 } from '../../bindings/wire/international-address.ts';
import { parseLenientPath } from '../../bindings/wire/lenient-path.ts';
import { keepsLimits, parsePath } from '../../bindings/wire/path.ts';
import { PLAIN_MAIL } from './mail-parameters.ts';
import { splitPathArgument, withParameters, type PathArgument } from './path-argument.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';

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
  /** What the parameters say: of MAIL, respectively of RCPT. */
  mailOptions: MailOptions = PLAIN_MAIL;
  recipientOptions: RecipientOptions | undefined = undefined;
  #grammar: SettingValues['addressGrammar'] = 'strict';
  #address: Address | undefined = undefined;

  /** Takes the command apart; returns the refusal if that cannot be done. */
  take(verb: 'mail' | 'rcpt', command: Command, { addressGrammar }: SettingValues): Template | undefined {
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
  takeParsed([path = '', ...words]: readonly string[], { addressGrammar }: SettingValues): void {
    this.#grammar = addressGrammar;
    this.#take(withParameters(path, words));
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

  /** Must the client have said SMTPUTF8? By qpsmtpd's grammar octets above 127 are letters like any others. */
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

const badPath = { mail: replies.badReversePath, rcpt: replies.badForwardPath } as const;
