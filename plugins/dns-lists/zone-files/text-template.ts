/** Texts of zone files, with what their dollar signs stand for. */

/** Of the zone file: `$0` to `$9`, and the text around all texts, `$=`. The first line of each counts. */
export interface TextVariables {
  readonly digits: readonly (string | undefined)[];
  readonly base: string | undefined;
}

/** A string of a TXT record can't be longer. RFC 1035 section 3.3.14. */
export const MAX_TEXT = 255;

/**
 * `$` is the subject, `$1` a variable, `$$` a dollar sign. With a base text that is what counts, and `$=` in it is the entry's own text
 * as it stands, or the subject; an entry whose text begins with `=` goes without. Undefined for no text.
 */
export function expandText(
  text: string | undefined,
  subject: string,
  { base, digits }: TextVariables,
): string | undefined {
  const isOwn = text?.startsWith('=') === true;
  const template = isOwn ? text.slice(1) : (base ?? text);
  if (template === undefined || template === '') return undefined;
  const expand = (sign: string, next: string | undefined): string => {
    if (next === undefined) return subject;
    if (next === '$') return next;
    if (next === '=') return base === undefined || isOwn ? sign : (text ?? subject);
    return digits[Number(next)] ?? sign;
  };
  return template.replace(/\$([$=0-9])?/g, expand).slice(0, MAX_TEXT);
}
