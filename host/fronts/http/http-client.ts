/**
 * The client of a request: the other end of the connection, or whom a proxy in front of us names. X-Forwarded-For, and
 * Forwarded of RFC 7239.
 */

import type { IncomingMessage } from 'node:http';
import type { TlsFacts } from '../../../bindings/plugin/connection.ts';
import { canonicalIpAddress } from '../../../bindings/lists/client-ranges.ts';
import { isIP } from '../../../bindings/wire/ip-address.ts';
import { AddressRanges } from '../../config/address-ranges.ts';
import type { Endpoint, IncomingConnection } from '../../intake/incoming-connection.ts';
import { readForwarded, type ForwardedElement } from './forwarded-field.ts';
import { HttpRefusal } from './http-refusal.ts';

/** What a request says of a connection that is made of it: everything but the stream. */
export type HttpClient = Omit<IncomingConnection, 'stream' | 'outlivesStream'>;

const THIS_HOST = AddressRanges.compile(['127.0.0.0/8', '::1', 'unix']);

/**
 * `connection` brought the request. Fields that name a client are believed from `proxies` alone: anybody could take the
 * address of a client that may relay. Throws an `HttpRefusal` if a proxy says something else than one address.
 */
export function clientOf(
  { headers }: Pick<IncomingMessage, 'headers'>,
  connection: HttpClient,
  proxies: AddressRanges,
): HttpClient {
  if (!isProxy(connection.remote, proxies)) return connection;
  const believed = proxies.isEmpty ? THIS_HOST : proxies;
  const byField = lastUntrusted(splitForwardedFor(headers['x-forwarded-for']), believed);
  const elements = readForwarded(headers['forwarded']);
  const byElement = lastUntrusted(
    elements?.map(({ node }) => node),
    believed,
  );
  const address = agreed(byField?.address, byElement?.address);
  if (address === undefined) {
    if (proxies.isEmpty) return connection;
    throw new HttpRefusal(400, 'a proxy has to name its client in X-Forwarded-For or Forwarded');
  }
  const element = byElement === undefined ? undefined : elements?.[byElement.index];
  const tls = tlsOf(headers, element);
  const client: HttpClient = { ...connection, remote: { address, port: 0 } };
  // What is known of the proxy's own connection says nothing about the client's.
  delete client.host;
  delete client.tls;
  if (tls !== undefined) client.tls = tls;
  return client;
}

/**
 * Whether what `client` says of others is believed; without a list this host is. After a PROXY header `client` is who that
 * names: whoever sent it was believed, and it says who the next one is.
 */
export function isProxy({ address, path }: Endpoint, proxies: AddressRanges): boolean {
  const believed = proxies.isEmpty ? THIS_HOST : proxies;
  return path === undefined ? believed.has(address) : believed.hasUnix;
}

const splitForwardedFor = (field: string | readonly string[] | undefined): readonly string[] | undefined =>
  field === undefined ? undefined : String(field).split(',');

interface Found {
  readonly address: string;
  readonly index: number;
}

/**
 * Proxies append: from the end, the first that is none of our own proxies is the client, or what it says it is called. All
 * before that one was said by the client itself, to be taken for somebody else. If all are proxies, the first is the client.
 * One that is no address ends the search with a refusal: whoever is called "unknown" would get the address of the proxy,
 * which may relay.
 */
function lastUntrusted(nodes: readonly string[] | undefined, proxies: AddressRanges): Found | undefined {
  if (nodes === undefined) return undefined;
  for (let index = nodes.length - 1; ; index--) {
    const address = addressIn(nodes[index]!);
    if (address === undefined) throw new HttpRefusal(400, 'the proxy names a client without an IP address');
    if (index === 0 || !proxies.has(address)) return { address, index };
  }
}

/** As every list of addresses has it; given with or without a port: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`. */
function addressIn(node: string): string | undefined {
  const text = node.trim();
  if (isIP(text) !== 0) return canonicalIpAddress(text);
  const [, inBrackets, bare] = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]{1,5})?$/.exec(text) ?? [];
  if (inBrackets !== undefined) return isIP(inBrackets) === 6 ? canonicalIpAddress(inBrackets) : undefined;
  return bare !== undefined && isIP(bare) === 4 ? bare : undefined;
}

/**
 * Most proxies write one of the two fields and pass the other on as the client sent it: one that says something else is the
 * client's own, forged to be taken for somebody else.
 */
function agreed(one: string | undefined, other: string | undefined): string | undefined {
  if (one !== undefined && other !== undefined && one !== other)
    throw new HttpRefusal(400, 'X-Forwarded-For and Forwarded name different clients');
  return one ?? other;
}

/** A version or cipher as TLS libraries name them; anything else would be a text of the client's in a header field. */
const TLS_NAME = /^[A-Za-z0-9._-]{1,64}$/;

function tlsOf(
  headers: IncomingMessage['headers'],
  element: ForwardedElement | undefined,
): TlsFacts | undefined {
  const scheme = element?.proto ?? lastOf(headers['x-forwarded-proto']);
  if (scheme?.trim().toLowerCase() !== 'https') return undefined;
  return tlsByProxy(lastOf(headers['x-ssl-protocol']), lastOf(headers['x-ssl-cipher']));
}

/** The client speaks TLS with a proxy, which may say which. */
export function tlsByProxy(version = '', cipher = ''): TlsFacts {
  return {
    by: 'proxy',
    version: TLS_NAME.test(version) ? version : 'TLS',
    cipher: TLS_NAME.test(cipher) ? cipher : 'unknown',
    verified: false,
  };
}

const lastOf = (field: string | readonly string[] | undefined): string | undefined =>
  field === undefined ? undefined : String(field).split(',').at(-1)?.trim();
