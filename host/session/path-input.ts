/** What MAIL or RCPT says, while its steps run: the path as text, as address, and the parameters. */

import { Address } from '../../bindings/plugin/address.ts';
import type { Parameters } from '../../bindings/plugin/connection.ts';
import type { Command } from './command.ts';
import { parsePath } from './path.ts';
import { splitPathArgument } from './path-argument.ts';
import type { Template } from './reply.ts';

export class PathInput {
  /** With brackets, as hooks `mail_pre` and `rcpt_pre` see it. Empty until asked for, if the command is canonical. */
  text = '';
  parameters: Parameters = new Map();
  #address: Address | undefined = undefined;

  /** Takes the command apart; returns the refusal if that cannot be done. */
  take(verb: 'mail' | 'rcpt', command: Command): Template | undefined {
    if (command.isCanonical) {
      this.#address = new Address(command.localPart, command.domain);
      this.parameters = command.parameters;
      return undefined;
    }
    this.#address = undefined;
    const split = splitPathArgument(verb, command.argument);
    if ('code' in split) return split;
    this.text = split.path;
    this.parameters = split.parameters;
    return undefined;
  }

  /** Puts the path as text, for the hooks that may change it. */
  spellOut(command: Command): string {
    if (this.#address !== undefined) this.text = command.path;
    return this.text;
  }

  /** A plugin replaced the path. */
  replace(path: string): void {
    this.text = path;
    this.#address = undefined;
  }

  /** The address, or undefined if the path is none. */
  get address(): Address | undefined {
    return (this.#address ??= parsePath(this.text));
  }
}
