/** The resolvers that are asked about the routing of mail, and which of them are believed about DNSSEC. RFC 7672 section 2.1.1. */

import { getServers } from 'node:dns';
import { isIPv4, isIPv6 } from 'node:net';
import type { ResolverAddress } from './exchange.ts';

export interface TrustedResolver extends ResolverAddress {
  /**
   * Its AD bit is believed: it answers over loopback, or the operator vouches for the way to it. On any other way a host
   * that passes the datagrams on can set the bit and plant TLSA records of its own.
   */
  readonly isTrusted: boolean;
}

/** More are not asked. */
const MAX_RESOLVERS = 3;
const DNS_PORT = 53;

/** Reads `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; throws an Error that says what is wrong. */
export function parseResolver(text: string): ResolverAddress {
  if (isIPv6(text)) return { address: text, port: DNS_PORT };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const isAddress = bracketed === undefined ? isIPv4(plain ?? '') : isIPv6(bracketed);
  const port = digits === undefined ? DNS_PORT : Number(digits);
  if (!isAddress || port < 1 || port > 65_535) {
    throw new Error(`'${text}' is no address of a resolver: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT`);
  }
  return { address: (bracketed ?? plain)!, port };
}

/** The resolvers `named` by the settings, or else those of the system (resolv.conf). */
export function chooseResolvers(
  named: readonly ResolverAddress[],
  vouchesFor: (address: string) => boolean,
): readonly TrustedResolver[] {
  const all = named.length > 0 ? named : getServers().flatMap(parseSystemServer);
  return all
    .slice(0, MAX_RESOLVERS)
    .map((server) => ({ ...server, isTrusted: isLoopback(server.address) || vouchesFor(server.address) }));
}

/** The system may name servers in forms with a zone (`fe80::1%eth0`) that cannot be trusted. */
function parseSystemServer(text: string): readonly ResolverAddress[] {
  try {
    return [parseResolver(text)];
  } catch {
    return [];
  }
}

const isLoopback = (address: string): boolean =>
  isIPv4(address) ? address.startsWith('127.') : address === '::1';
