/** The words of a command, some of which stand for the envelope. */

import type { Address } from '../../../bindings/plugin/address.ts';
import { QpsmtpdError } from '../../errors.ts';

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
    const made = word.replace(PATTERN, (_, letter: string, place: number) => {
      const value = values[letter]!;
      const problem = letter === '%' ? undefined : dangerOf(value, word, place);
      if (problem !== undefined) unsafe ??= { whose: letter === 's' ? 'sender' : 'recipient', problem };
      return value;
    });
    return unsafe ?? made;
  }
}

/**
 * An address that begins a word must not make it an option, such as `-oQ/tmp` or `-X/var/www/x.php` (argument
 * injection); one in a path must not lead out of its directory, such as `../../etc/cron.d/x` (path traversal).
 */
function dangerOf(value: string, word: string, place: number): string | undefined {
  if (place === 0 && value.startsWith('-')) return 'begins with a hyphen';
  if (word.includes('/') && (value.includes('/') || /^\.*$/.test(value))) return 'does not fit into a path';
  return undefined;
}

function badPattern(word: string, pattern: string): QpsmtpdError {
  const remedy = 'words may hold %s, %r, %u, %d and %%, the program itself none';
  return new QpsmtpdError('Q_PLUGIN_OPTION', `\`${word}\`: \`${pattern}\` can not stand here (${remedy})`);
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
