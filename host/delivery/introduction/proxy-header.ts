/** The binary header of the PROXY protocol, version 2: haproxy's `proxy-protocol.txt`, section 2.2; there is no RFC. */

import ipaddr from 'ipaddr.js';
import type { SendingClient } from '../../../bindings/plugin/delivery.ts';

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
  if (client === undefined || !ipaddr.isValid(client.ip) || !ipaddr.isValid(client.localIp)) return OURS;
  const ends = [client.ip, client.localIp].map((address) => ipaddr.process(address));
  const isOld = ends.every((address) => address.kind() === 'ipv4');
  // Both ends have to be of one family: where only one is IPv6 the other goes in its clothes. RFC 4291 section 2.5.5.2.
  const [from, to] = ends.map((address) =>
    address instanceof ipaddr.IPv4 && !isOld ? address.toIPv4MappedAddress() : address,
  );
  const addresses = Buffer.from([...from!.toByteArray(), ...to!.toByteArray()]);
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(client.port, 0);
  rest.writeUInt16BE(client.localPort, 2);
  const head = Buffer.from([PROXY, isOld ? TCP4 : TCP6, 0, addresses.length + rest.length]);
  return Buffer.concat([SIGNATURE, head, addresses, rest]);
}
