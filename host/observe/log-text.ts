/** Texts for the log: made fit to be one line, and kept free of secrets. */

/** Longest text of one line, in characters: a plugin or a client must not fill the disk with a single one. */
export const MAX_TEXT = 8_192;

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Control characters as `\xNN`, and those that turn the direction of writing: a client must not be able to forge log lines,
 * nor to send escape sequences to the terminal of the reader of the log.
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * `AUTH` with an initial response, as a client or a plugin writes it. RFC 4954 section 4. Known secrets of a session
 * are hidden before, in any form; this is for all other texts.
 */
const AUTH_LINE =
  /(\bAUTH\s+[A-Z0-9_-]{1,20}|AUTH[\s,:=]{0,3}(?:PLAIN|LOGIN|CRAM-MD5|SCRAM-SHA-\d{1,3}|OAUTHBEARER|XOAUTH2))[\s,:=]+[A-Za-z0-9+/=*]+/gi;
/**
 * The password in a URL such as `redis://user:password@host`, also if it was written with `/` or `@` in it. RFC 3986 section
 * 3.2.1. Digits up to a slash are a port. Of the scheme only the last character is asked for: a pattern for all of it begins
 * anew at each dot of `a.a.a.a`, and one such line held all sessions up.
 */
const URL_PASSWORD = /(?<=[a-z0-9+.-])(:\/\/[^\s:@/]*:)(?!\d{1,5}[/?#])[^\s'"<>]+@/gi;

/** The text without the secrets that can be recognised by their form. */
export function masked(text: string): string {
  let kept = text;
  if (kept.includes('://')) kept = kept.replace(URL_PASSWORD, '$1[hidden]@');
  if (/auth/i.test(kept)) kept = kept.replace(AUTH_LINE, '$1 <hidden credentials>');
  return kept;
}

/** One line: secrets masked, control characters shown, and cut where it is too long. */
export function logText(text: string): string {
  const cut =
    text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} [${text.length - MAX_TEXT} more characters]` : text;
  return visible(masked(cut));
}

const HIDDEN = '[hidden: it names what the client entrusted to AUTH]';

/**
 * `text`, or a remark in its place if it holds one of the secrets. Cutting out the secret alone would give away a
 * password that occurs in a known text.
 */
export function conceal(text: string, secrets: readonly string[] | undefined): string {
  return namesSecret(text, secrets) ? HIDDEN : text;
}

/** A reply for the log. Its code is shown in any case: a client must not hide a refusal by the password it tries. */
export function shownReply(text: string, secrets: readonly string[] | undefined): string {
  const shown = text.trimEnd();
  return namesSecret(shown.slice(4), secrets) ? `${text.slice(0, 3)} ${HIDDEN}` : shown;
}

/** True if one of the secrets stands in the text. */
export const namesSecret = (text: string, secrets: readonly string[] | undefined): boolean =>
  secrets?.some((secret) => text.includes(secret)) === true;
