/** The arguments of a command, with patterns for the envelope. */

import type { Address } from '../../../bindings/wire/address.ts';

/** Octets of recipients in one command: well below what Linux takes. */
const MAX_RECIPIENT_OCTETS = 65_536;

const PATTERN = /%(.?)/g;
const RECIPIENT_PATTERN = /%[rud]/;

/** Why no command can be made of an address. `whose` is at fault. */
export interface UnsafeArgument {
  readonly whose: 'sender' | 'recipient';
  readonly problem: string;
}

export class CommandArguments {
  readonly #args: readonly string[];
  readonly #nullSender: string;

  /** Throws a `QpsmtpdError` with the remedy if an argument has an unknown pattern or the program has any. */
  constructor(args: readonly string[], nullSender: string) {
    this.#args = args;
    this.#nullSender = nullSender;
    args.forEach((arg, index) => {
      for (const [pattern, letter = ''] of arg.matchAll(PATTERN)) {
        if (letter === '' || !'srud%'.includes(letter)) throw badPattern(arg, pattern);
        if (index === 0) throw badPattern(arg, pattern);
      }
    });
  }

  /** True if the arguments differ by recipient. */
  get namesRecipients(): boolean {
    return this.#args.some((arg) => RECIPIENT_PATTERN.test(arg.replaceAll('%%', '')));
  }

  /** An argument with a pattern of recipients is repeated for each of them. */
  expand(sender: Address, recipients: readonly Address[]): readonly string[] | UnsafeArgument {
    const command: string[] = [];
    for (const arg of this.#args) {
      const isRepeated = RECIPIENT_PATTERN.test(arg.replaceAll('%%', ''));
      for (const recipient of isRepeated ? recipients : recipients.slice(0, 1)) {
        const made = this.#expandOne(arg, sender, recipient);
        if (typeof made !== 'string') return made;
        command.push(made);
      }
    }
    return command;
  }

  #expandOne(arg: string, sender: Address, recipient: Address): string | UnsafeArgument {
    const values: Readonly<Record<string, string>> = {
      '%': '%',
      s: sender.isNull ? this.#nullSender : sender.mailbox,
      r: recipient.mailbox,
      u: recipient.localPart,
      d: recipient.domain,
    };
    let unsafe: UnsafeArgument | undefined;
    const made = arg.replace(PATTERN, (_, letter: string) => {
      const value = values[letter]!;
      const problem = letter === '%' ? undefined : dangerOf(value, letter, arg);
      if (problem !== undefined) unsafe ??= { whose: letter === 's' ? 'sender' : 'recipient', problem };
      return value;
    });
    // Looked at as a whole: what stands in front of the hyphen may have been empty.
    if (!made.startsWith('-') || arg.startsWith('-')) return unsafe ?? made;
    return { whose: arg.startsWith('%s') ? 'sender' : 'recipient', problem: IS_OPTION };
  }
}

/** An address must not make an argument an option, such as `-oQ/tmp` or `-X/var/www/x.php` (argument injection). */
const IS_OPTION = 'begins with a hyphen';
const IS_PATH = 'does not fit into a path';

/** By itself it leads somewhere: `/etc/x`, `../x`, `x/../../y`. */
const LEADS_AWAY = /^\/|(?:^|\/)\.{1,2}(?:\/|$)/;

/**
 * Why an address must not stand in an argument, whether the argument has a slash or not: a program that makes a file name of it
 * would end up outside its directory, as with `../../etc/cron.d/x`, or in somebody else's (path traversal).
 */
function dangerOf(value: string, letter: string, arg: string): string | undefined {
  const isInPath = arg.includes('/');
  // Senders live elsewhere, and tags in their addresses, such as those of VERP, may hold a slash.
  if (letter === 's' && !isInPath) return LEADS_AWAY.test(value) ? IS_PATH : undefined;
  // The bare <postmaster> has no domain. RFC 5321 section 4.5.1.
  const isMissing = value === '' && (isInPath || letter !== 'd');
  return isMissing || value.startsWith('.') || value.includes('/') ? IS_PATH : undefined;
}

function badPattern(arg: string, pattern: string): Error {
  const remedy = 'words may hold %s, %r, %u, %d and %%, the program itself none';
  return new Error(`\`${arg}\`: \`${pattern}\` can not stand here (${remedy})`);
}

/** Parts that fit into one command each, in order. */
export function inCommands<T>(items: readonly T[], octetsOf: (item: T) => number): readonly T[][] {
  const parts: T[][] = [];
  let octets = Infinity;
  for (const item of items) {
    const own = octetsOf(item);
    if (octets + own > MAX_RECIPIENT_OCTETS) {
      parts.push([]);
      octets = 0;
    }
    parts.at(-1)!.push(item);
    octets += own;
  }
  return parts;
}
