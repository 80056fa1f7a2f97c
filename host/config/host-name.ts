import { canonicalDomain } from '../../bindings/wire/domain-name.ts';

/**
 * A name as it may stand in the banner, in EHLO replies and in Received fields: printable ASCII without blanks (RFC 5321
 * section 4.1.2 wants a domain or an address literal; what it names is not checked here). U-labels become A-labels, which
 * every client understands. Undefined for what can be no name.
 */
export function hostNameOf(text: string): string | undefined {
  const name = /[^\u0000-\u007f]/.test(text) ? canonicalDomain(text) : text;
  return name !== undefined && /^[!-~]{1,255}$/.test(name) ? name : undefined;
}
