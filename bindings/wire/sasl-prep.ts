/**
 * One spelling for passwords that look the same. RFC 4013.
 *
 * Which user names are taken.
 */

/** RFC 4616 section 2 asks for 255 at least; names are echoed in replies and written to the log and the header. */
const MAX_OCTETS = 255;

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** True for a name that plugins may be asked about: neither empty nor endless, and without control characters. */
export const isUserName = (name: string): boolean =>
  name !== '' && Buffer.byteLength(name) <= MAX_OCTETS && !CONTROL.test(name);

const NON_ASCII_SPACE = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
/** Characters that are there for the typesetter: soft hyphen, joiners, variation selectors. */
const INVISIBLE = /[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/g;

const IS_ASCII = /^[\u0000-\u007f]*$/;

/**
 * The password with spaces as U+0020, without invisible characters, in normal form KC. What RFC 4013 forbids is let
 * through: a password is compared here, never passed on, and one that was set must be one that can be given.
 */
export function prepare(password: string): string {
  if (IS_ASCII.test(password)) return password;
  return password.replace(NON_ASCII_SPACE, ' ').replace(INVISIBLE, '').normalize('NFKC');
}
