/** Paths by qpsmtpd's grammar, for sites whose clients depend on it: setting `address_grammar`. */

import { Address } from './address.ts';

const ATOM_START = /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~]/;
/** No blank unless after a backslash: there qpsmtpd is the stricter one. */
const QUOTED_STRING = /^"(?:[!#-[\]-\u007f]|\\[\u0020-\u007f])*"$/;
const LITERAL = /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]+)\]$/;
/**
 * Labels with one character of any kind between them, as qpsmtpd's pattern has it; written so that there is only one
 * way to match, because its own takes exponential time over a name that does not.
 */
const LABELS = /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]|[^a-zA-Z0-9-][a-zA-Z0-9])*$/u;

/** The address of a path, which ends at the last `@` and otherwise need only begin like one; undefined if it is none. */
export function parseLenientPath(path: string): Address | undefined {
  if (!path.startsWith('<') || !path.endsWith('>')) return undefined;
  const inner = withoutRoute(path.slice(1, -1));
  if (inner === '') return Address.null;
  if (inner.toLowerCase() === 'postmaster') return new Address('postmaster', '');
  const at = inner.lastIndexOf('@');
  if (at <= 0) return undefined;
  const localPart = inner.slice(0, at);
  const domain = inner.slice(at + 1);
  if (!isLenientDomain(domain)) return undefined;
  if (ATOM_START.test(localPart)) return new Address(localPart, domain);
  if (!QUOTED_STRING.test(localPart)) return undefined;
  return new Address(localPart.slice(1, -1).replace(/\\(.)/g, '$1'), domain);
}

const isLenientDomain = (text: string): boolean => LITERAL.test(text) || LABELS.test(text);

/** A route that is none stays where it is, and makes the path none. */
function withoutRoute(inner: string): string {
  const end = inner.startsWith('@') ? inner.indexOf(':') : -1;
  if (end < 0) return inner;
  const hops = inner.slice(0, end).split(',');
  return hops.every((hop) => hop.startsWith('@') && isLenientDomain(hop.slice(1)))
    ? inner.slice(end + 1)
    : inner;
}
