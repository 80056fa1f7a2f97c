/** Folds a structured header field. RFC 5322 sections 2.1.1 and 2.2.3. */

/** Octets that a line should not exceed, its CRLF not counted. */
const GOOD_LINE = 78;
/** Octets that no line may exceed are 998; room is left for the blank of a fold, and for a semicolon. */
const MAX_WORD = 996;

/** Beside another blank a fold could leave a line of nothing but blanks, which RFC 5322 section 3.2.2 forbids. */
const BLANK = /(?<=\S) (?=\S)/;

/**
 * The value of a field `name` in lines of 78 octets, as far as there are blanks to fold at; folds are LF and blank. A part stays
 * on one line if it can, and else begins one. Blanks are put between the parts.
 */
export function foldField(name: string, parts: readonly string[]): string {
  const start = `${name}:`;
  const lines: string[] = [];
  let line = start;
  const fits = (text: string): boolean => Buffer.byteLength(line) + 1 + Buffer.byteLength(text) <= GOOD_LINE;
  const breakLine = (): void => {
    if (line === '' || line === start) return;
    lines.push(line);
    line = '';
  };
  for (const part of parts) {
    if (fits(part)) {
      line += ` ${part}`;
      continue;
    }
    breakLine();
    for (const word of part.split(BLANK)) {
      if (!fits(word)) breakLine();
      line += ` ${word}`;
    }
  }
  return [...lines, line].join('\n').slice(start.length + 1);
}

/** True if no fold keeps the lines of it within the 998 octets that a line may have. */
export const isTooLongToFold = (text: string): boolean =>
  text.split(BLANK).some((word) => Buffer.byteLength(word) > MAX_WORD);
