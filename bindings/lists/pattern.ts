/**
 * Regular expressions that operators write into lists, matched in time linear in the text.
 *
 * The text comes from strangers. With a backtracking engine, `^(a+)+$` in a list and a fitting address in MAIL hold
 * up every connection of the process for minutes; the automaton used here cannot backtrack. The price is that
 * constructs which need backtracking are refused: look-around, back-references, atomic groups.
 */

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
