/**
 * Paths of MAIL and RCPT that are not of the plain form the core recognises: quoted local parts, address literals,
 * source routes, the bare postmaster. RFC 5321 section 4.1.2.
 */

import { Address } from '../../bindings/plugin/address.ts';
import { isIPv4, isIPv6 } from '../intake/ip.ts';

/** Longest local part and domain in octets. RFC 5321 section 4.5.3.1. */
const MAX_LOCAL_PART = 64;
const MAX_DOMAIN = 255;

/** A dot-string, as qpsmtpd takes it: real mailboxes have `a..b@` and `a.@`, against RFC 5321. */
const DOT_STRING = /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~][a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]*$/;
const QUOTED_STRING = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"$/;
/** A label; the underscore is no RFC 5321 but occurs in the names of real senders. */
const LABEL = /^[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?$/;
const SOURCE_ROUTE = /^@[^:<>\s]+(?:,@[^:<>\s]+)*:/;

/**
 * The address of a path with its brackets, or undefined if it is none. Two `@` outside quotes, blanks and control
 * characters are refused: `<"a@b"@c>` and `<a@b@c>` must not be read differently by us and by the next hop.
 */
export function parsePath(path: string): Address | undefined {
  if (!path.startsWith('<') || !path.endsWith('>')) return undefined;
  const inner = path.slice(1, -1).replace(SOURCE_ROUTE, '');
  if (inner === '') return path === '<>' ? Address.null : undefined;
  if (inner.toLowerCase() === 'postmaster') return new Address('postmaster', '');
  const at = inner.lastIndexOf('@');
  if (at <= 0) return undefined;
  const localPart = parseLocalPart(inner.slice(0, at));
  const domain = inner.slice(at + 1);
  if (localPart === undefined || !isDomain(domain)) return undefined;
  return new Address(localPart, domain);
}

function parseLocalPart(text: string): string | undefined {
  if (text.length > MAX_LOCAL_PART) return undefined;
  if (DOT_STRING.test(text)) return text;
  if (!QUOTED_STRING.test(text)) return undefined;
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}

/** A domain name or an address literal. */
export function isDomain(text: string): boolean {
  if (text === '' || text.length > MAX_DOMAIN) return false;
  if (text.startsWith('[')) return isAddressLiteral(text);
  return text.split('.').every((label) => LABEL.test(label));
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]`. RFC 5321 section 4.1.3. */
function isAddressLiteral(text: string): boolean {
  if (!text.endsWith(']')) return false;
  const inner = text.slice(1, -1);
  return /^IPv6:/i.test(inner) ? isIPv6(inner.slice(5)) : isIPv4(inner);
}
