/** What XCLIENT says about a client: Postfix's attributes, checked and decoded. */

import { isIPv4, isIPv6 } from '../../bindings/wire/ip-address.ts';
import { isDomain } from '../../bindings/wire/path.ts';
import { decodeXtext } from '../../bindings/wire/xtext.ts';

/** The attributes of the EHLO keyword, in the order of Postfix. */
export const XCLIENT_ATTRIBUTES = 'NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT';

/** Stands for what the proxy does not know, respectively could not find out just now. */
const UNAVAILABLE = /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i;
const MAX_PORT = 65_535;
const MAX_LOGIN = 255;

/** `null`: the proxy says that nobody knows. Absent: it says nothing. */
export interface ClientAttributes {
  name?: string | null;
  address?: string | null;
  port?: number | null;
  protocol?: string | null;
  helo?: string | null;
  login?: string | null;
  localAddress?: string | null;
  localPort?: number | null;
}

type Reading<N extends keyof ClientAttributes> = (
  text: string,
) => Exclude<ClientAttributes[N], null> | undefined;

/** What an attribute sets, and how its text is read; undefined is a value that cannot be. */
type Row = { [N in keyof ClientAttributes]-?: readonly [N, Reading<N>] }[keyof ClientAttributes];

const ROWS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['NAME', ['name', (text) => (isDomain(text) && !text.startsWith('[') ? text : undefined)]],
  ['ADDR', ['address', readAddress]],
  ['PORT', ['port', readPort]],
  ['PROTO', ['protocol', (text) => (/^E?SMTP$/i.test(text) ? text.toUpperCase() : undefined)]],
  // Whatever the client said; of several words the first, as in HELO itself.
  ['HELO', ['helo', (text) => /^[^ ]+/.exec(text)?.[0]]],
  ['LOGIN', ['login', (text) => (text.length <= MAX_LOGIN ? text : undefined)]],
  ['DESTADDR', ['localAddress', readAddress]],
  ['DESTPORT', ['localPort', readPort]],
]);

/** Reads `NAME=value NAME=value`; undefined if anything is wrong with it, so that nothing is believed by halves. */
export function readAttributes(argument: string): ClientAttributes | undefined {
  const words = argument.split(/[ \t]+/).filter((word) => word !== '');
  if (words.length === 0) return undefined;
  const attributes: Record<string, string | number | null> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const row = ROWS.get(word.slice(0, Math.max(equals, 0)).toUpperCase());
    const text = decodeXtext(word.slice(equals + 1));
    if (row === undefined || text === undefined || text === '') return undefined;
    const value = UNAVAILABLE.test(text) ? null : row[1](text);
    // Twice the same attribute: one of the two would be a lie.
    if (value === undefined || row[0] in attributes) return undefined;
    attributes[row[0]] = value;
  }
  return attributes as ClientAttributes;
}

/** `192.0.2.1` or `IPV6:2001:db8::1`. An IPv4 address in IPv6 clothes becomes IPv4, as the lists of addresses expect. */
function readAddress(text: string): string | undefined {
  const address = /^IPV6:(.*)$/i.exec(text)?.[1];
  if (address === undefined) return isIPv4(text) ? text : undefined;
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return mapped ?? address.toLowerCase();
}

function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  return port <= MAX_PORT ? port : undefined;
}
