/** The client of a mail object as Postfix's XCLIENT and XFORWARD write it. Their README files are the specification. */

import { canonicalIpAddress } from '../../../bindings/lists/index.ts';
import type { SendingClient } from '../../../bindings/plugin/index.ts';
import type { Introduced } from './hop-options.ts';
import { encodeXtext } from '../../../bindings/wire/xtext.ts';

export const UNAVAILABLE = '[UNAVAILABLE]';
/** Postfix cuts what is longer; half a name would be a false one. */
const MAX_VALUE = 255;
/** RFC 5321 section 4.5.3.1.4, without the line end. */
const MAX_LINE = 510;

/** Name and value, as they go over the wire. */
export type Attribute = readonly [name: string, value: string];

/** In the order of qpsmtpd's XCLIENT. */
export const xclientAttributes = (client: SendingClient): readonly Attribute[] => [
  ['NAME', coded(client.host)],
  ['ADDR', addressOf(client)],
  ['PORT', portOf(client)],
  ['HELO', coded(client.helloHost)],
  ['PROTO', client.protocol],
];

export function xforwardAttributes({ client, id }: Introduced): readonly Attribute[] {
  return [
    ['NAME', coded(client?.host)],
    ['ADDR', client === undefined ? UNAVAILABLE : addressOf(client)],
    ['PORT', client === undefined ? UNAVAILABLE : portOf(client)],
    ['PROTO', client?.protocol ?? UNAVAILABLE],
    ['HELO', coded(client?.helloHost)],
    ['IDENT', coded(id)],
    ['SOURCE', client === undefined ? 'LOCAL' : 'REMOTE'],
  ];
}

/** The attributes the hop knows, in as few lines as hold them. */
export function attributeLines(
  verb: string,
  attributes: readonly Attribute[],
  offered: string,
): readonly string[] {
  const known = new Set(offered.toUpperCase().split(/\s+/));
  const lines: string[] = [];
  for (const [name, value] of attributes) {
    if (!known.has(name)) continue;
    const attribute = ` ${name}=${value}`;
    const last = lines.length - 1;
    if (last >= 0 && lines[last]!.length + attribute.length <= MAX_LINE) lines[last] += attribute;
    else lines.push(verb + attribute);
  }
  return lines;
}

/** XCLIENT begins the session anew, so all has to stand in one line: what makes it too long is left unsaid. */
export function attributeLine(verb: string, attributes: readonly Attribute[], offered: string): string {
  const [line = '', ...more] = attributeLines(verb, attributes, offered);
  if (more.length === 0) return line;
  const longest = attributes.reduce((most, [, value]) => Math.max(most, value.length), 0);
  const shorter = attributes.map(([name, value]): Attribute => [
    name,
    value.length === longest ? UNAVAILABLE : value,
  ]);
  return attributeLine(verb, shorter, offered);
}

function coded(text: string | undefined): string {
  const value = encodeXtext(text ?? '');
  return value === '' || value.length > MAX_VALUE ? UNAVAILABLE : value;
}

function addressOf({ ip }: SendingClient): string {
  // A link-local address may stand with the interface it was heard on. RFC 4007 section 11.
  const [text = '', ...zone] = ip.split('%');
  const address = canonicalIpAddress(text);
  if (address === undefined) return UNAVAILABLE;
  return address.includes(':') ? `IPV6:${[address, ...zone].join('%')}` : address;
}

const portOf = ({ port }: SendingClient): string => (port > 0 ? String(port) : UNAVAILABLE);
