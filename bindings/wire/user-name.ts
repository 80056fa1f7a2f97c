/** Which user names are taken. */

/** RFC 4616 section 2 asks for 255 at least; names are echoed in replies and written to the log and the header. */
const MAX_OCTETS = 255;

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** True for a name that plugins may be asked about: neither empty nor endless, and without control characters. */
export const isUserName = (name: string): boolean =>
  name !== '' && Buffer.byteLength(name) <= MAX_OCTETS && !CONTROL.test(name);
