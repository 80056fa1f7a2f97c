/** What this host found out about a message, and what others claim to have found out. RFC 8601. */

import { namesAuthority } from './authserv-id.ts';
import { maskControls } from './field-text.ts';
import type { HeaderFields } from './header-fields.ts';

const FIELD = 'Authentication-Results';
const ORIGINAL_FIELD = 'Original-Authentication-Results';

/** From this length on every result gets a line of its own, so that no line exceeds 998 octets (RFC 5322 section 2.1.1). */
const LONG = 900;

/** How AUTH went: never tried, failed, or who it was. */
export type AuthenticationOutcome = 'none' | 'fail' | { readonly user: string; readonly mechanism: string };

/**
 * Value of our own field: `AUTHSERV; auth=none; ` and the results of plugins. A failed attempt is `auth=fail` and
 * nothing more: an empty `smtp.auth=` is no propspec (RFC 8601 section 2.2).
 */
export function authenticationResults(
  authority: string,
  outcome: AuthenticationOutcome,
  results: readonly string[],
): string {
  const parts = [authority, authResult(outcome), ...results];
  const value = parts.join('; ');
  return value.length < LONG ? value : parts.join(';\n ');
}

/**
 * Renames the Authentication-Results that came with the message, at the end of the header, so that nobody takes them
 * for ours (RFC 8601 section 5). A DKIM-Signature over them would break, so then they keep their name, but for those
 * in the name of `authority`: a signature of anybody must not let forged results of ours through. Returns how many
 * were renamed.
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
  return `auth=pass (${commentText(outcome.mechanism)}) smtp.auth=${propertyValue(outcome.user)}`;
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

const PLAIN_VALUE = /^[^\s()<>@,;:\\"/[\]?=\u007f-\u{10ffff}]+(?:@[A-Za-z0-9.-]+)?$/u;

/** A token or a mailbox as it is; anything else as a quoted-string (RFC 8601 section 2.2). */
function propertyValue(user: string): string {
  const text = maskControls(user);
  return PLAIN_VALUE.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

const commentText = (text: string): string => maskControls(text).replace(/[()\\]/g, '\\$&');
