/**
 * Tells a hop who the client of a mail object is: by PROXY, by XCLIENT, by XFORWARD, or by several of them.
 *
 * The client of a mail object as Postfix's XCLIENT and XFORWARD write it. Their README files are the specification.
 */

import { addressOctets, canonicalIpAddress } from '../../../bindings/lists/index.ts';
import type { ForwardedClient, Log, SendingClient } from '../../../bindings/plugin/index.ts';
import type { HopIntroduction, HopTalk, Introduced, IntroductionOptions } from './hop-options.ts';
import { HopFault, isGood, printReply } from './hop-replies.ts';
import { V2_SIGNATURE } from '../../../bindings/wire/proxy-header.ts';
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

/** A client that had the message from another by XFORWARD hands that one on, as Postfix does: the last log shows the first client. */
export function xforwardAttributes({ client, id }: Introduced): readonly Attribute[] {
  if (client?.forwarded !== undefined) return forwardedAttributes(client.forwarded, id);
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

function forwardedAttributes(
  { host, ip, port, protocol, helloHost, ident, source }: ForwardedClient,
  id: string,
): readonly Attribute[] {
  return [
    ['NAME', coded(host)],
    ['ADDR', ip === undefined ? UNAVAILABLE : addressOf({ ip })],
    ['PORT', portOf({ port: port ?? 0 })],
    ['PROTO', coded(protocol)],
    ['HELO', coded(helloHost)],
    ['IDENT', coded(ident ?? id)],
    ['SOURCE', source === 'local' ? 'LOCAL' : 'REMOTE'],
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

function addressOf({ ip }: Pick<SendingClient, 'ip'>): string {
  // A link-local address may stand with the interface it was heard on. RFC 4007 section 11.
  const [text = '', ...zone] = ip.split('%');
  const address = canonicalIpAddress(text);
  if (address === undefined) return UNAVAILABLE;
  return address.includes(':') ? `IPV6:${[address, ...zone].join('%')}` : address;
}

const portOf = ({ port }: Pick<SendingClient, 'port'>): string => (port > 0 ? String(port) : UNAVAILABLE);

/** The key of mail objects that may share connections with all others. */
const SHARED = '';
/** The key of messages of our own. */
const OURS = 'ours';

export class ClientIntroduction implements HopIntroduction {
  readonly #options: IntroductionOptions;
  readonly #log: Log;

  constructor(options: IntroductionOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /**
   * PROXY and XCLIENT hold for the whole connection, so it must not serve another client: the hop would judge the one by
   * what it knows of the other. XFORWARD holds for one message.
   */
  keyOf({ client }: Introduced): string {
    const { proxy, xclient } = this.#options;
    if (proxy !== true && xclient !== true) return SHARED;
    if (client === undefined) return OURS;
    const ends = [client.ip, client.port, client.localIp, client.localPort];
    const rest = xclient === true ? [client.host, client.helloHost, client.protocol] : [];
    return JSON.stringify([...ends, ...rest]);
  }

  beforeGreeting({ client }: Introduced): Buffer | undefined {
    return this.#options.proxy === true ? proxyHeader(client) : undefined;
  }

  async afterHello(talk: HopTalk, introduced: Introduced): Promise<void> {
    if (this.#options.xclient === true) await sayXclient(talk, introduced);
    if (this.#options.xforward === true && !talk.extensions.has('XFORWARD')) {
      this.#log.notice('the next hop does not offer XFORWARD: it is not told who the client is');
    }
  }

  /** The hop forgets it with the message. What is refused does not keep the mail: Postfix does the same. */
  async beforeMail(talk: HopTalk, introduced: Introduced): Promise<void> {
    const offered = talk.extensions.get('XFORWARD');
    if (this.#options.xforward !== true || offered === undefined) return;
    for (const line of attributeLines('XFORWARD', xforwardAttributes(introduced), offered)) {
      const reply = await talk.say(line);
      if (isGood(reply)) continue;
      this.#log.warn(`${introduced.id}: the next hop refuses XFORWARD: ${printReply(reply)}`);
      return;
    }
  }
}

/**
 * A hop that would take our address for the client's might let everybody relay, so without XCLIENT it gets nothing. The
 * texts are those of qpsmtpd's queue/smtp-forward.
 */
async function sayXclient(talk: HopTalk, { client }: Introduced): Promise<void> {
  if (client === undefined) return;
  const line = attributeLine('XCLIENT', xclientAttributes(client), talk.extensions.get('XCLIENT') ?? '');
  if (!line.includes(' ADDR=')) throw unable('Server does not advertise XCLIENT support');
  const reply = await talk.say(line);
  if (!isGood(reply)) throw unable('XCLIENT failed', printReply(reply));
  // Its reply is the greeting of the session that begins with it.
  await talk.hello().catch((cause: unknown) => {
    throw unable('HELLO after XCLIENT failed', cause instanceof Error ? cause.message : String(cause));
  });
}

function unable(what: string, why?: string): HopFault {
  const reply = { code: 451, status: undefined, lines: [what] };
  return new HopFault('introduction', reply, why === undefined ? what : `${what}: ${why}`);
}

/** Version and command: the connection is somebody else's, respectively our own. */
const PROXY = 0x21;
const LOCAL = 0x20;
/** Family and transport: TCP over IPv4, respectively IPv6. */
const TCP4 = 0x11;
const TCP6 = 0x21;

/** A message of our own, or a client without an address (Unix socket): the hop takes our address for what it is. */
const LOCAL_HEADER = Buffer.concat([V2_SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);

/** The binary header of the PROXY protocol, version 2: haproxy's `proxy-protocol.txt`, section 2.2; there is no RFC. */
export function proxyHeader(client: SendingClient | undefined): Buffer {
  if (client === undefined) return LOCAL_HEADER;
  const [from, to] = [octetsOf(client.ip), octetsOf(client.localIp)];
  if (from === undefined || to === undefined) return LOCAL_HEADER;
  const isOld = from.length === 4 && to.length === 4;
  const addresses = Buffer.from(isOld ? [...from, ...to] : [...asNew(from), ...asNew(to)]);
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(client.port, 0);
  rest.writeUInt16BE(client.localPort, 2);
  const head = Buffer.from([PROXY, isOld ? TCP4 : TCP6, 0, addresses.length + rest.length]);
  return Buffer.concat([V2_SIGNATURE, head, addresses, rest]);
}

/** A link-local address may stand with the interface it was heard on. RFC 4007 section 11. */
const octetsOf = (ip: string): readonly number[] | undefined => addressOctets(ip.split('%')[0]!);

const MAPPED = [...new Array<number>(10).fill(0), 0xff, 0xff];

/** Both ends have to be of one family: where only one is IPv6 the other is mapped into it. RFC 4291 section 2.5.5.2. */
const asNew = (octets: readonly number[]): readonly number[] =>
  octets.length === 4 ? [...MAPPED, ...octets] : octets;
