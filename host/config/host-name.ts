/**
 * True for a name that may stand in the banner, in EHLO replies and in Received fields: printable ASCII without
 * blanks (RFC 5321 section 4.1.2 wants a domain or an address literal; what it names is not checked here).
 */
export const isHostName = (text: string): boolean => /^[!-~]{1,255}$/.test(text);
