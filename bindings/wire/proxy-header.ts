/**
 * Reads the header of the PROXY protocol, versions 1 and 2, that a proxy writes in front of a connection: HAProxy's
 * `proxy-protocol.txt`; there is no RFC. Whether the sender may be believed is for the caller.
 */

import ipaddr from 'ipaddr.js';
import { isIPv4, isIPv6 } from './ip-address.ts';
import { readProxyFields, type ProxyFields } from './proxy-fields.ts';

/** One end of the connection that the proxy has accepted. Unix sockets have a path and no address. */
export interface ProxiedEnd {
  readonly address: string;
  readonly port: number;
  readonly path?: string;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** The connection is the proxy's own, such as a health check: the addresses of the socket hold. */
  readonly isLocal: boolean;
  /** Undefined if the proxy does not know (UNKNOWN, UNSPEC) or the connection is its own. */
  readonly ends: { readonly source: ProxiedEnd; readonly destination: ProxiedEnd } | undefined;
  /** What version 2 says besides; empty for version 1. */
  readonly fields: ProxyFields;
  /** Octets of the header: what follows belongs to the client. */
  readonly octets: number;
}

/** `incomplete`: so far it may be a header. `fault`: it is none, and never will be. */
export type ProxyReading =
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'fault'; readonly reason: string };

/** With CR and LF. `proxy-protocol.txt` section 2.1. */
const MAX_V1_OCTETS = 107;
/** The length field allows 65,535. Proxies write some hundred; the limit is what a peer can make us keep. */
export const MAX_V2_OCTETS = 4_096;

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and transport, length. */
const V2_HEAD_OCTETS = 16;
const [LOCAL, PROXY] = [0x20, 0x21];
const NO_FIELDS: ProxyFields = { unknown: [] };
const INCOMPLETE: ProxyReading = { kind: 'incomplete' };

/** `octets` is everything that has come so far; nothing of it is kept. */
export function readProxyHeader(octets: Buffer): ProxyReading {
  if (octets.length === 0) return INCOMPLETE;
  if (startsAs(octets, V2_SIGNATURE))
    return octets.length < V2_HEAD_OCTETS ? INCOMPLETE : readVersion2(octets);
  if (startsAs(octets, V1_SIGNATURE)) return readVersion1(octets);
  return fault('no PROXY header');
}

/** True if one of the two is the beginning of the other. */
function startsAs(octets: Buffer, signature: Buffer): boolean {
  const length = Math.min(octets.length, signature.length);
  return octets.compare(signature, 0, length, 0, length) === 0;
}

function readVersion1(octets: Buffer): ProxyReading {
  const end = octets.subarray(0, MAX_V1_OCTETS).indexOf('\r\n');
  if (end === -1) {
    return octets.length < MAX_V1_OCTETS ? INCOMPLETE : fault(`no line end within ${MAX_V1_OCTETS} octets`);
  }
  const found = (ends: ProxyHeader['ends']): ProxyReading => ({
    kind: 'header',
    header: { version: 1, isLocal: false, ends, fields: NO_FIELDS, octets: end + 2 },
  });
  const [family, ...rest] = octets.latin1Slice(V1_SIGNATURE.length, end).split(' ');
  // Whatever follows UNKNOWN has to be ignored. Section 2.1.
  if (family === 'UNKNOWN') return found(undefined);
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6WithoutZone : undefined;
  if (isAddress === undefined) return fault('neither TCP4, TCP6 nor UNKNOWN');
  const [from = '', to = '', fromPort = '', toPort = ''] = rest;
  if (rest.length !== 4 || !isAddress(from) || !isAddress(to))
    return fault(`${family} without two addresses`);
  const [source, destination] = [endOf(from, fromPort), endOf(to, toPort)];
  return source === undefined || destination === undefined
    ? fault(`${family} without two ports`)
    : found({ source, destination });
}

/** A zone is a name of the proxy's own network interface. RFC 4007 section 11. */
const isIPv6WithoutZone = (text: string): boolean => isIPv6(text) && !text.includes('%');

function endOf(address: string, port: string): ProxiedEnd | undefined {
  const number = /^(?:0|[1-9]\d{0,4})$/.test(port) ? Number(port) : 65_536;
  return number > 65_535 ? undefined : { address: plainAddress(address), port: number };
}

/** IPv4 clients are known by their IPv4 address, as every list of addresses expects: RFC 4291 section 2.5.5.2; RFC 5952. */
const plainAddress = (address: string): string => ipaddr.process(address).toString();

/** Families with their address blocks in octets. Datagrams carry no SMTP. */
const ADDRESS_OCTETS = new Map([
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
]);

function readVersion2(octets: Buffer): ProxyReading {
  const command = octets[12]!;
  const family = octets[13]!;
  const length = V2_HEAD_OCTETS + octets.readUInt16BE(14);
  if (command >> 4 !== 2) return fault(`version ${command >> 4}`);
  if (command !== LOCAL && command !== PROXY) return fault(`command ${command & 15}`);
  if (length > MAX_V2_OCTETS) return fault(`longer than ${MAX_V2_OCTETS} octets`);
  if (octets.length < length) return INCOMPLETE;
  const found = (isLocal: boolean, ends: ProxyHeader['ends'], fields = NO_FIELDS): ProxyReading => ({
    kind: 'header',
    header: { version: 2, isLocal, ends, fields, octets: length },
  });
  // Nothing of a LOCAL or UNSPEC header may be believed, and some proxies leave old octets in it. Section 2.2.
  if (command === LOCAL) return found(true, undefined);
  if (family === 0) return found(false, undefined);
  const addressOctets = ADDRESS_OCTETS.get(family);
  if (addressOctets === undefined) return fault(`family and transport 0x${family.toString(16)}`);
  if (V2_HEAD_OCTETS + addressOctets > length) return fault('no room for the addresses');
  const header = octets.subarray(0, length);
  const fields = readProxyFields(header.subarray(V2_HEAD_OCTETS + addressOctets));
  if (typeof fields === 'string') return fault(fields);
  if (fields.checksum !== undefined && checksumOf(header, fields.checksum.at) !== fields.checksum.value)
    return fault('the CRC32C is wrong');
  return found(false, endsOf(header.subarray(V2_HEAD_OCTETS), family), fields);
}

const ZERO = Buffer.alloc(4);

/** The checksum counts its own four octets as zero. Section 2.2.3. */
function checksumOf(header: Buffer, fieldAt: number): number {
  const at = header.length - fieldAt;
  return crc32c(header.subarray(0, at), ZERO, header.subarray(at + 4));
}

function endsOf(block: Buffer, family: number): ProxyHeader['ends'] {
  if (family === 0x31) {
    return { source: unixEnd(block.subarray(0, 108)), destination: unixEnd(block.subarray(108, 216)) };
  }
  const octets = family === 0x11 ? 4 : 16;
  const end = (at: number, portAt: number): ProxiedEnd => ({
    address: plainAddress(ipaddr.fromByteArray([...block.subarray(at, at + octets)]).toString()),
    port: block.readUInt16BE(portAt),
  });
  return { source: end(0, octets * 2), destination: end(octets, octets * 2 + 2) };
}

/** A client on the proxy's Unix socket is on the proxy's host: for what asks for an address it counts as the proxy itself. */
function unixEnd(path: Buffer): ProxiedEnd {
  const end = path.indexOf(0);
  const text = path.latin1Slice(0, end === -1 ? path.length : end).replace(/[^\x20-\x7e]/g, '?');
  return { address: '127.0.0.1', port: 0, path: text };
}

const fault = (reason: string): ProxyReading => ({ kind: 'fault', reason });

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), RFC 9260 appendix A. Node's `zlib.crc32` has the other polynomial. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const octet of part) crc = TABLE[(crc ^ octet) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
