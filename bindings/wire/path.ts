/**
 * Paths of MAIL and RCPT that are not of the plain form the core recognises: quoted local parts, address literals,
 * source routes, the bare postmaster, UTF-8. RFC 5321 section 4.1.2, RFC 6531 section 3.3.
 */

import { Address } from './address.ts';
import { isIPv4, isIPv6 } from './ip-address.ts';
import { isInternationalDomain, isPlainUnicode, MAX_DOMAIN, MAX_LABEL } from './international-address.ts';

/** Longest local part, and path with its brackets, in octets. RFC 5321 section 4.5.3.1. */
const MAX_LOCAL_PART = 64;
const MAX_PATH = 256;

/** A dot-string, as qpsmtpd takes it: real mailboxes have `a..b@` and `a.@`, against RFC 5321. */
const DOT_STRING =
  /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}][a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]*$/u;
const QUOTED_STRING = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\u{10ffff}]|\\[\x20-\x7e])*"$/u;
/** A label; the underscore is no RFC 5321 but occurs in the names of real senders. */
const LABEL = /^[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?$/;
const NOT_ASCII = /[^\u0000-\u007f]/;

/**
 * The address of a path with its brackets, or undefined if it is none. Two `@` outside quotes, blanks and control
 * characters are refused: `<"a@b"@c>` and `<a@b@c>` must not be read differently by us and by the next hop.
 */
export function parsePath(path: string): Address | undefined {
  if (!path.startsWith('<') || !path.endsWith('>') || Buffer.byteLength(path) > MAX_PATH) return undefined;
  const inner = withoutRoute(path.slice(1, -1));
  if (inner === undefined || inner === '') return path === '<>' ? Address.null : undefined;
  if (inner.toLowerCase() === 'postmaster') return new Address('postmaster', '');
  const at = inner.lastIndexOf('@');
  if (at <= 0) return undefined;
  const localPart = parseLocalPart(inner.slice(0, at));
  const domain = inner.slice(at + 1);
  if (localPart === undefined || !isDomain(domain)) return undefined;
  return new Address(localPart, domain);
}

/**
 * True if the parts of a path in the core's plain form also keep the limits that the core does not look at. All it
 * costs with a domain of ordinary length is the comparison.
 */
export function keepsLimits(localPart: string, domain: string): boolean {
  if (domain.length <= MAX_LABEL) return true;
  if (localPart.length + domain.length + '<@>'.length > MAX_PATH) return false;
  return domain.split('.').every((label) => label.length <= MAX_LABEL);
}

/** Source routes are obsolete and ignored, but must be well-formed. RFC 5321 appendix C. */
function withoutRoute(inner: string): string | undefined {
  if (!inner.startsWith('@')) return inner;
  const end = inner.indexOf(':');
  if (end < 0) return undefined;
  const hops = inner.slice(0, end).split(',');
  return hops.every((hop) => hop.startsWith('@') && isDomainName(hop.slice(1)))
    ? inner.slice(end + 1)
    : undefined;
}

function parseLocalPart(text: string): string | undefined {
  if (Buffer.byteLength(text) > MAX_LOCAL_PART) return undefined;
  if (NOT_ASCII.test(text) && !isPlainUnicode(text)) return undefined;
  if (DOT_STRING.test(text)) return text;
  if (!QUOTED_STRING.test(text)) return undefined;
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}

/** A domain name or an address literal; of the literals those of IPv4 and IPv6. RFC 5321 section 4.1.3. */
export const isDomain = (text: string): boolean =>
  text.startsWith('[') ? isAddressLiteral(text) : isDomainName(text);

function isDomainName(text: string): boolean {
  if (text === '' || Buffer.byteLength(text) > MAX_DOMAIN) return false;
  if (NOT_ASCII.test(text)) return isInternationalDomain(text);
  return text.split('.').every((label) => label.length <= MAX_LABEL && LABEL.test(label));
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]`; a zone index belongs to this host alone. */
function isAddressLiteral(text: string): boolean {
  if (!text.endsWith(']') || text.includes('%')) return false;
  const inner = text.slice(1, -1);
  return /^IPv6:/i.test(inner) ? isIPv6(inner.slice(5)) : isIPv4(inner);
}
