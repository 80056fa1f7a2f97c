/** The binary header of the PROXY protocol, version 2: haproxy's `proxy-protocol.txt`, section 2.2; there is no RFC. */

import { addressOctets } from '../../../bindings/lists/index.ts';
import type { SendingClient } from '../../../bindings/plugin/index.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version and command: the connection is somebody else's, respectively our own. */
const PROXY = 0x21;
const LOCAL = 0x20;
/** Family and transport: TCP over IPv4, respectively IPv6. */
const TCP4 = 0x11;
const TCP6 = 0x21;

/** A message of our own, or a client without an address (Unix socket): the hop takes our address for what it is. */
const OURS = Buffer.concat([SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);

export function proxyHeader(client: SendingClient | undefined): Buffer {
  if (client === undefined) return OURS;
  const [from, to] = [octetsOf(client.ip), octetsOf(client.localIp)];
  if (from === undefined || to === undefined) return OURS;
  const isOld = from.length === 4 && to.length === 4;
  const addresses = Buffer.from(isOld ? [...from, ...to] : [...asNew(from), ...asNew(to)]);
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(client.port, 0);
  rest.writeUInt16BE(client.localPort, 2);
  const head = Buffer.from([PROXY, isOld ? TCP4 : TCP6, 0, addresses.length + rest.length]);
  return Buffer.concat([SIGNATURE, head, addresses, rest]);
}

/** A link-local address may stand with the interface it was heard on. RFC 4007 section 11. */
const octetsOf = (ip: string): readonly number[] | undefined => addressOctets(ip.split('%')[0]!);

const MAPPED = [...new Array<number>(10).fill(0), 0xff, 0xff];

/** Both ends have to be of one family: where only one is IPv6 the other is mapped into it. RFC 4291 section 2.5.5.2. */
const asNew = (octets: readonly number[]): readonly number[] =>
  octets.length === 4 ? [...MAPPED, ...octets] : octets;
