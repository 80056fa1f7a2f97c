/** Authentication-Results: those of this host, and those in a message that claim to be. RFC 8601. */

import { printAuthenticationResult } from '../../bindings/wire/authentication-result.ts';
import { foldField, isTooLongToFold } from '../../bindings/wire/field-folding.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import type { HeaderFields } from './header-fields.ts';

const FIELD = 'Authentication-Results';
const ORIGINAL_FIELD = 'Original-Authentication-Results';

/** Octets of a value that may stand on one line. RFC 5322 section 2.1.1. */
const LONG = 900;

/** How AUTH went: never tried, failed, or who it was. */
export type AuthenticationOutcome = 'none' | 'fail' | { readonly user: string; readonly mechanism: string };

/**
 * Value of our own field: `AUTHSERV; auth=none; ` and the results of plugins. A failed attempt is `auth=fail` and nothing
 * more: an empty `smtp.auth=` is no propspec (RFC 8601 section 2.2). With results it is folded; one that would make a line
 * too long for the next mailer is left out (RFC 5322 section 2.1.1).
 */
export function authenticationResults(
  authority: string,
  outcome: AuthenticationOutcome,
  results: readonly string[],
): string {
  const written = results.filter((result) => !isTooLongToFold(result));
  const parts = [authority, authResult(outcome), ...written];
  // qpsmtpd's form, which is never folded.
  if (written.length === 0) {
    const value = parts.join('; ');
    if (value.length < LONG) return value;
  }
  const last = parts.length - 1;
  return foldField(
    FIELD,
    parts.map((part, index) => (index < last ? `${part};` : part)),
  );
}

/**
 * Renames the Authentication-Results that came with the message, at the end of the header, so that no reader takes them
 * for ours (RFC 8601 section 5). A DKIM-Signature over them would break, so then they keep their name, but for those in
 * the name of `authority`: a signature of anybody must not let forged results of ours through. Returns how many were
 * renamed.
 */
export function renameForeignResults(header: HeaderFields, authority: string): number {
  const isSigned = header.originals('DKIM-Signature').some(signsResults);
  return header.moveOriginals(
    FIELD,
    ORIGINAL_FIELD,
    (value) => !isSigned || namesAuthority(value, authority),
  );
}

function authResult(outcome: AuthenticationOutcome): string {
  if (outcome === 'none' || outcome === 'fail') return `auth=${outcome}`;
  return printAuthenticationResult({
    method: 'auth',
    result: 'pass',
    comment: outcome.mechanism,
    properties: [['smtp.auth', outcome.user]],
  });
}

/** RFC 6376 section 3.5: `h=` holds field names between colons, with blanks and folds anywhere. */
function signsResults(signature: string): boolean {
  for (const tag of signature.split(';')) {
    const equals = tag.indexOf('=');
    if (equals < 0 || tag.slice(0, equals).trim() !== 'h') continue;
    const names = tag.slice(equals + 1).split(':');
    if (names.some((name) => name.trim().toLowerCase() === FIELD.toLowerCase())) return true;
  }
  return false;
}

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

/** First character after blanks and (nested) comments; -1 if a comment never ends. RFC 5322 section 3.2.2. */
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
