/** One result of an Authentication-Results field. RFC 8601 section 2.2. */

export interface AuthenticationResult {
  /** As registered: `spf`, `dkim`, `iprev` and so on. */
  readonly method: string;
  /** `pass`, `fail`, `none` and so on. */
  readonly result: string;
  /** For people; becomes a comment, of 200 characters at most. */
  readonly comment?: string | undefined;
  /** As long as a comment. */
  readonly reason?: string | undefined;
  /**
   * What was looked at: `['smtp.mailfrom', 'a.example']`. The values may come from anybody. One of more than 900 octets is left
   * out, as part of it could be the name of another.
   */
  readonly properties?: readonly (readonly [name: string, value: string])[] | undefined;
}

const MAX_TEXT = 200;
const MAX_VALUE = 900;

/** The result as it stands in the field, on one line: whatever a value holds, it can neither end the result nor add one. */
export function printAuthenticationResult(result: AuthenticationResult): string {
  const { method, result: outcome, comment, reason, properties = [] } = result;
  const parts = [`${method}=${outcome}`];
  if (comment !== undefined) parts.push(commentOf(comment));
  if (reason !== undefined) parts.push(`reason=${quotedString(shortened(reason))}`);
  for (const [name, value] of properties) {
    const text = propertyValue(value);
    if (Buffer.byteLength(text) <= MAX_VALUE) parts.push(`${name}=${text}`);
  }
  return parts.join(' ');
}

const PLAIN_VALUE = /^[^\s()<>@,;:\\"/[\]?=\u007f-\u{10ffff}]*(?:@[A-Za-z0-9.-]+)?$/u;

/** A token, a mailbox or a domain after `@` as it is; anything else as a quoted-string. */
function propertyValue(value: string): string {
  const text = withoutControls(value);
  return text !== '' && PLAIN_VALUE.test(text) ? text : quotedString(text);
}

/** Text as a comment, with its brackets. RFC 5322 section 3.2.2. */
export const commentOf = (text: string): string => `(${shortened(text).replace(/[()\\]/g, '\\$&')})`;

/** Text as a quoted-string. RFC 5322 section 3.2.4. */
export const quotedString = (text: string): string => `"${withoutControls(text).replace(/["\\]/g, '\\$&')}"`;

function shortened(text: string): string {
  const clean = withoutControls(text);
  return clean.length <= MAX_TEXT ? clean : `${clean.slice(0, MAX_TEXT - 3)}...`;
}

/** A line end would let a value go on as a header field of its own. */
const withoutControls = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, '?');
