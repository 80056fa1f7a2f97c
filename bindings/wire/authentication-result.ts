/** One result of an Authentication-Results field. RFC 8601 section 2.2. */

export interface AuthenticationResult {
  /** As registered: `spf`, `dkim`, `iprev` and so on. */
  readonly method: string;
  /** `pass`, `fail`, `none` and so on. */
  readonly result: string;
  /** For people; becomes a comment. */
  readonly comment?: string | undefined;
  readonly reason?: string | undefined;
  /** What was looked at: `['smtp.mailfrom', 'a.example']`. The values may come from anybody. */
  readonly properties?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** The result as it stands in the field, on one line: whatever a value holds, it can neither end the result nor add one. */
export function printAuthenticationResult(result: AuthenticationResult): string {
  const { method, result: outcome, comment, reason, properties = [] } = result;
  const parts = [`${method}=${outcome}`];
  if (comment !== undefined) parts.push(`(${commentText(comment)})`);
  if (reason !== undefined) parts.push(`reason=${quoted(reason)}`);
  for (const [name, value] of properties) parts.push(`${name}=${propertyValue(value)}`);
  return parts.join(' ');
}

const PLAIN_VALUE = /^[^\s()<>@,;:\\"/[\]?=\u007f-\u{10ffff}]*(?:@[A-Za-z0-9.-]+)?$/u;

/** A token, a mailbox or a domain behind `@` as it is; anything else as a quoted-string. */
function propertyValue(value: string): string {
  const text = withoutControls(value);
  return text !== '' && PLAIN_VALUE.test(text) ? text : quoted(text);
}

/** Text between brackets, without the brackets. */
const commentText = (text: string): string => withoutControls(text).replace(/[()\\]/g, '\\$&');

const quoted = (text: string): string => `"${withoutControls(text).replace(/["\\]/g, '\\$&')}"`;

/** A line end would let a value go on as a header field of its own. */
const withoutControls = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, '?');
