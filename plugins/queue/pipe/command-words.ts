/** The words of a command, some of which stand for the envelope. */

import type { Address } from '../../../bindings/wire/address.ts';

/** Octets of recipients in one command: well below what Linux takes. */
const MAX_RECIPIENT_OCTETS = 65_536;

const PATTERN = /%(.?)/g;
const RECIPIENT_PATTERN = /%[rud]/;

/** Why no command can be made of an address. `whose` is at fault. */
export interface UnsafeWord {
  readonly whose: 'sender' | 'recipient';
  readonly problem: string;
}

export class CommandWords {
  readonly #words: readonly string[];
  readonly #nullSender: string;

  /** Throws a `QpsmtpdError` with the remedy if a word has an unknown pattern or the program has any. */
  constructor(words: readonly string[], nullSender: string) {
    this.#words = words;
    this.#nullSender = nullSender;
    words.forEach((word, index) => {
      for (const [pattern, letter = ''] of word.matchAll(PATTERN)) {
        if (letter === '' || !'srud%'.includes(letter)) throw badPattern(word, pattern);
        if (index === 0) throw badPattern(word, pattern);
      }
    });
  }

  /** True if the words differ by recipient. */
  get namesRecipients(): boolean {
    return this.#words.some((word) => RECIPIENT_PATTERN.test(word.replaceAll('%%', '')));
  }

  /** A word with a pattern of recipients is repeated for each of them. */
  expand(sender: Address, recipients: readonly Address[]): readonly string[] | UnsafeWord {
    const command: string[] = [];
    for (const word of this.#words) {
      const isRepeated = RECIPIENT_PATTERN.test(word.replaceAll('%%', ''));
      for (const recipient of isRepeated ? recipients : recipients.slice(0, 1)) {
        const made = this.#expandOne(word, sender, recipient);
        if (typeof made !== 'string') return made;
        command.push(made);
      }
    }
    return command;
  }

  #expandOne(word: string, sender: Address, recipient: Address): string | UnsafeWord {
    const values: Readonly<Record<string, string>> = {
      '%': '%',
      s: sender.isNull ? this.#nullSender : sender.mailbox,
      r: recipient.mailbox,
      u: recipient.localPart,
      d: recipient.domain,
    };
    let unsafe: UnsafeWord | undefined;
    const made = word.replace(PATTERN, (_, letter: string) => {
      const value = values[letter]!;
      const problem = letter === '%' ? undefined : dangerOf(value, letter, word);
      if (problem !== undefined) unsafe ??= { whose: letter === 's' ? 'sender' : 'recipient', problem };
      return value;
    });
    // Looked at as a whole: what stands in front of the hyphen may have been empty.
    if (!made.startsWith('-') || word.startsWith('-')) return unsafe ?? made;
    return { whose: word.startsWith('%s') ? 'sender' : 'recipient', problem: IS_OPTION };
  }
}

/** An address must not make a word an option, such as `-oQ/tmp` or `-X/var/www/x.php` (argument injection). */
const IS_OPTION = 'begins with a hyphen';
const IS_PATH = 'does not fit into a path';

/** By itself it leads somewhere: `/etc/x`, `../x`, `x/../../y`. */
const LEADS_AWAY = /^\/|(?:^|\/)\.{1,2}(?:\/|$)/;

/**
 * Why an address must not stand in a word, whether the word has a slash or not: a program that makes a file name of it
 * would end up outside its directory, as with `../../etc/cron.d/x`, or in somebody else's (path traversal).
 */
function dangerOf(value: string, letter: string, word: string): string | undefined {
  const isInPath = word.includes('/');
  // Senders live elsewhere, and tags in their addresses, such as those of VERP, may hold a slash.
  if (letter === 's' && !isInPath) return LEADS_AWAY.test(value) ? IS_PATH : undefined;
  // The bare <postmaster> has no domain. RFC 5321 section 4.5.1.
  const isMissing = value === '' && (isInPath || letter !== 'd');
  return isMissing || value.startsWith('.') || value.includes('/') ? IS_PATH : undefined;
}

function badPattern(word: string, pattern: string): Error {
  const remedy = 'words may hold %s, %r, %u, %d and %%, the program itself none';
  return new Error(`\`${word}\`: \`${pattern}\` can not stand here (${remedy})`);
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
