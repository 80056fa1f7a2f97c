/**
 * What a proxy says of a client, as XCLIENT and XFORWARD write it: `NAME=value NAME=value`, the values in xtext. Postfix's README files
 * of both; there is no RFC.
 */

import { canonicalIpAddress } from '../../bindings/lists/client-ranges.ts';
import { isIPv4, isIPv6 } from '../../bindings/wire/ip-address.ts';
import { decodeXtext } from '../../bindings/wire/xtext.ts';

/** What the proxy does not know, or could not find out just now. */
const UNAVAILABLE = /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i;
const MAX_PORT = 65_535;

/** What an attribute sets, and how its text is read; undefined is a value that cannot be. */
export type AttributeRow<A> = {
  [N in keyof A]-?: readonly [N, (text: string) => Exclude<A[N], null | undefined> | undefined];
}[keyof A];

/**
 * The attributes of a command; `null` for those that the proxy says are unknown. Undefined if anything is wrong with it, so
 * that nothing is believed by halves.
 */
export function readAttributes<A extends object>(
  argument: string,
  rows: ReadonlyMap<string, AttributeRow<A>>,
): A | undefined {
  const pairs = argument.split(/[ \t]+/).filter((pair) => pair !== '');
  if (pairs.length === 0) return undefined;
  const attributes: Partial<Record<keyof A, unknown>> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const row = rows.get(pair.slice(0, Math.max(equals, 0)).toUpperCase());
    const text = decodeXtext(pair.slice(equals + 1));
    if (row === undefined || text === undefined || text === '') return undefined;
    const value = UNAVAILABLE.test(text) ? null : row[1](text);
    // The same attribute twice: one of the two would be a lie.
    if (value === undefined || row[0] in attributes) return undefined;
    attributes[row[0]] = value;
  }
  return attributes as A;
}

/** `192.0.2.1` or `IPV6:2001:db8::1`. In the one form in which lists of addresses compare them. */
export function readAddress(text: string): string | undefined {
  const address = /^IPV6:(.*)$/i.exec(text)?.[1];
  if (address === undefined) return isIPv4(text) ? text : undefined;
  return isIPv6(address) ? canonicalIpAddress(address) : undefined;
}

export function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  return port <= MAX_PORT ? port : undefined;
}

export const readProtocol = (text: string): string | undefined =>
  /^E?SMTP$/i.test(text) ? text.toUpperCase() : undefined;
