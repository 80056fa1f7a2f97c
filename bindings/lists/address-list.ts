/**
 * Lists of addresses as badmailfrom and badrcptto keep them, one entry a line: `user@host`, `@host`, or a regular
 * expression (anything with one of `/ ^ $ * + ! % ? \`), then optionally blanks and a text for the client.
 *
 * Regular expressions that operators write into lists, matched in time linear in the text.
 *
 * The text comes from strangers. With a backtracking engine, `^(a+)+$` in a list and a fitting address in MAIL hold up
 * every connection of the process for minutes; the automaton used here cannot backtrack. The price is that constructs
 * which need backtracking are refused: look-around, back-references, atomic groups.
 */

import type { Address } from '../wire/address.ts';
import { canonicalEntry } from '../wire/domain-name.ts';
import { RE2JS } from 're2js';

export interface Pattern {
  /** True if the pattern matches anywhere in `text`. */
  test(text: string): boolean;
}

/** Perl constructs that have no linear-time form, and what an operator can write instead. */
const HINTS: readonly (readonly [construct: RegExp, hint: string])[] = [
  [/\(\?<?[=!]/, 'look-ahead and look-behind are not supported; write two entries instead'],
  [
    /\(\?>|[*+?}]\+/,
    'atomic groups and possessive quantifiers are not supported; leave the `?>` or the `+` out',
  ],
  [/\\[1-9kg]/, 'back-references are not supported; spell the repetition out'],
  [/\\[Zh]/, 'write `$` for \\Z and `[ \\t]` for \\h'],
  [/\{\d{4,}|\{\d*,\d{4,}\}/, 'repetition counts end at 1000'],
  [/^[*+?]/, 'a quantifier needs something in front of it: `.*` instead of `*`'],
];

/** Compiles `source`, or throws an Error that quotes it and says what to write instead. */
export function compilePattern(source: string, options: { ignoreCase?: boolean } = {}): Pattern {
  try {
    return RE2JS.compile(source, options.ignoreCase === true ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (cause) {
    const hint = HINTS.find(([construct]) => construct.test(source))?.[1];
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`pattern \`${source}\`: ${problem}${hint === undefined ? '' : ` (${hint})`}`, { cause });
  }
}

export interface AddressListEntry {
  /** As the line has it. */
  readonly entry: string;
  /** What the client is told; undefined for an entry without text. */
  readonly text: string | undefined;
}

export interface AddressListOptions {
  /** Match patterns without regard to case; otherwise they see the address in lower case. */
  readonly ignoreCase?: boolean;
  /** Gets a warning for each entry that can match nothing and is left out. */
  readonly log: { warn(text: string): void };
}

interface Ranked extends AddressListEntry {
  readonly rank: number;
}

const IS_PATTERN = /[/^$*+!%?\\]/;

export class AddressList {
  readonly #exact = new Map<string, Ranked>();
  readonly #patterns: (Ranked & { readonly pattern: Pattern })[] = [];

  /** Throws if a pattern can't be compiled, naming it. */
  constructor(lines: readonly string[], options: AddressListOptions) {
    lines.forEach((line, rank) => this.#add(line.trim(), rank, options));
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#patterns.length === 0;
  }

  /** The topmost line that matches. Addresses compare without case; patterns see a domain in A-labels and in U-labels. */
  find(address: Address): AddressListEntry | undefined {
    const subjects = address.patternSubjects;
    const whole = this.#exact.get(subjects[0]!);
    const domain = this.#exact.get(`@${address.canonicalDomain ?? address.domain}`);
    const exact = (domain?.rank ?? Infinity) < (whole?.rank ?? Infinity) ? domain : whole;
    const limit = exact?.rank ?? Infinity;
    for (const candidate of this.#patterns) {
      if (candidate.rank > limit) break;
      if (subjects.some((subject) => candidate.pattern.test(subject))) return candidate;
    }
    return exact;
  }

  #add(line: string, rank: number, options: AddressListOptions): void {
    const [, entry = '', text = ''] = /^(\S*)\s*(.*)$/s.exec(line) ?? [];
    if (entry === '') return;
    const ranked = { entry, text: text === '' ? undefined : text, rank };
    if (IS_PATTERN.test(entry)) {
      this.#patterns.push({ ...ranked, pattern: compilePattern(entry, options) });
      return;
    }
    const key = entry.includes('@') ? canonicalEntry(entry) : undefined;
    if (key !== undefined) {
      if (!this.#exact.has(key)) this.#exact.set(key, ranked);
      return;
    }
    const problem = entry.includes('@')
      ? 'there can be no such domain'
      : `it has no @ (write \`@${entry}\` for the whole domain)`;
    options.log.warn(`entry \`${entry}\` matches nothing: ${problem}`);
  }
}
