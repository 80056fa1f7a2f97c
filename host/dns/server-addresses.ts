/** The servers that are asked: those of the settings, or of resolv.conf, and which of them are believed about DNSSEC. */

import { isIPv4, isIPv6 } from 'node:net';

export interface ResolverAddress {
  readonly address: string;
  readonly port: number;
}

export interface ServerAddress extends ResolverAddress {
  /**
   * Its AD bit is believed: it answers over loopback, or the operator vouches for the way to it. On any other way a host
   * that passes the datagrams on can set the bit and plant TLSA records of its own. RFC 7672 section 2.1.1.
   */
  readonly isTrusted: boolean;
}

/** What resolv.conf(5) says, as far as it is about servers. */
export interface SystemServers {
  readonly servers: readonly ResolverAddress[];
  /** `options timeout:N`; undefined: it does not say. */
  readonly timeoutMs: number | undefined;
  readonly attempts: number | undefined;
}

/** More are not asked. */
export const MAX_SERVERS = 3;
const DNS_PORT = 53;
/** What resolv.conf may ask for at most, as in glibc. */
const MAX_TIMEOUT_SECONDS = 30;
const MAX_ATTEMPTS = 5;

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

/** Three at most, each trusted or not. */
export const judgeServers = (
  servers: readonly ResolverAddress[],
  vouchesFor: (address: string) => boolean,
): readonly ServerAddress[] =>
  servers.slice(0, MAX_SERVERS).map(({ address, port }) => ({
    address,
    port,
    // An address with a zone (`fe80::1%eth0`) can be vouched for by nobody.
    isTrusted: isLoopback(address) || (!address.includes('%') && vouchesFor(address)),
  }));

/** A line that is not understood is left out, as the system's resolver does; without any server there is the one of this host. */
export function parseResolvConf(text: string): SystemServers {
  const servers: ResolverAddress[] = [];
  let timeoutMs: number | undefined;
  let attempts: number | undefined;
  for (const line of text.slice(0, 65_536).split('\n')) {
    const [keyword, ...values] = line.trim().split(/[ \t]+/);
    if (keyword === 'nameserver' && values[0] !== undefined && (isIPv4(values[0]) || isIPv6(values[0])))
      servers.push({ address: values[0], port: DNS_PORT });
    if (keyword !== 'options') continue;
    for (const option of values) {
      const [, name, digits] = /^(timeout|attempts):(\d{1,4})$/.exec(option) ?? [];
      const value = Math.max(Number(digits), 1);
      if (name === 'timeout') timeoutMs = Math.min(value, MAX_TIMEOUT_SECONDS) * 1_000;
      if (name === 'attempts') attempts = Math.min(value, MAX_ATTEMPTS);
    }
  }
  if (servers.length === 0) servers.push({ address: '127.0.0.1', port: DNS_PORT });
  return { servers: servers.slice(0, MAX_SERVERS), timeoutMs, attempts };
}

/** As `parseResolver` reads it, port included. */
export const printServer = ({ address, port }: ResolverAddress): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** True for loopback addresses in their usual form; a mapped one (`::ffff:127.0.0.1`) is none here. */
export const isLoopback = (address: string): boolean =>
  isIPv4(address) ? address.startsWith('127.') : address === '::1';
