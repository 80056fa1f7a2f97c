/** The lines of one configuration file. */

import { isUtf8 } from 'node:buffer';
import { ConfigError } from '../errors/error-classes.ts';

/** Octets a line may have. A longer one is no configuration but a wrong file. */
export const MAX_LINE_OCTETS = 65_536;

/** The byte order mark that some editors put in front of UTF-8. */
const BYTE_ORDER_MARK = Buffer.from('\u{feff}');
const LF = 10;
const HASH = 35;

/** A blank in the sense of Perl's `\s` for ASCII. The other blanks of Unicode are text. */
const isBlank = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/**
 * Hands every line that says something to `take`, trimmed, with its number counted from 1: lines that are empty,
 * blank, or start with `#` are left out. There are no comments behind text, no quotes and no continuation lines.
 * The text is taken as UTF-8, or as Latin-1 if it is not that. Throws a ConfigError for a line that is too long.
 */
export function eachLine(file: string, octets: Buffer, take: (text: string, line: number) => void): void {
  const readAs = isUtf8(octets) ? 'utf8' : 'latin1';
  let number = 0;
  const isMarked = octets.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  for (let start = isMarked ? BYTE_ORDER_MARK.length : 0; start < octets.length;) {
    number++;
    const lf = octets.indexOf(LF, start);
    const next = lf < 0 ? octets.length : lf + 1;
    let end = lf < 0 ? next : lf;
    if (end - start > MAX_LINE_OCTETS) {
      throw new ConfigError(
        { file, line: number },
        `the line is longer than ${MAX_LINE_OCTETS} octets`,
        'split it, or check whether this is the right file',
      );
    }
    while (start < end && isBlank(octets[start]!)) start++;
    while (start < end && isBlank(octets[end - 1]!)) end--;
    if (start < end && octets[start] !== HASH) take(octets.toString(readAs, start, end), number);
    start = next;
  }
}
