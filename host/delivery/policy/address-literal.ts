import { isIPv4, isIPv6 } from 'node:net';

/** The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`; undefined for other forms. RFC 5321 section 4.1.3. */
export function literalAddress(literal: string): string | undefined {
  const [, tag, text = ''] = /^\[(ipv6:)?([0-9a-f.:]+)\]$/i.exec(literal) ?? [];
  return (tag === undefined ? isIPv4(text) : isIPv6(text)) ? text : undefined;
}
