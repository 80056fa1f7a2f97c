/** Whose results an Authentication-Results field claims to be. RFC 8601 section 2.5. */

import { canonicalDomain } from '../../bindings/wire/domain-name.ts';

/**
 * True if `value` begins with `authority` as its authserv-id, whatever comments stand in front of it and however it
 * is quoted. True also if the beginning can't be read at all: who knows how the next reader takes it.
 */
export function namesAuthority(value: string, authority: string): boolean {
  const start = skipComments(value);
  if (start < 0 || start >= value.length) return true;
  const id = value[start] === '"' ? quotedText(value, start) : plainText(value, start);
  return id === undefined || id === '' || folded(id) === folded(authority);
}

/** Ids are mostly names of hosts, and the next reader may know all spellings of one. */
const folded = (id: string): string => canonicalDomain(id) ?? id.toLowerCase();

/** First character behind blanks and (nested) comments; -1 if a comment never ends. RFC 5322 section 3.2.2. */
function skipComments(value: string): number {
  let depth = 0;
  for (let at = 0; at < value.length; at++) {
    const character = value[at]!;
    if (depth > 0 && character === '\\') at++;
    else if (character === '(') depth++;
    else if (depth > 0 && character === ')') depth--;
    else if (depth === 0 && !/\s/.test(character)) return at;
  }
  return depth > 0 ? -1 : value.length;
}

/** The text of the quoted-string at `start`; undefined if it never ends. RFC 5322 section 3.2.4. */
function quotedText(value: string, start: number): string | undefined {
  let text = '';
  for (let at = start + 1; at < value.length; at++) {
    if (value[at] === '"') return text;
    if (value[at] === '\\') at++;
    text += value[at] ?? '';
  }
  return undefined;
}

/** Up to a blank, a comment or the semicolon. */
const plainText = (value: string, start: number): string => /^[^\s(;]*/.exec(value.slice(start))![0];
