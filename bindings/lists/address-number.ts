/** IP addresses as numbers in decimal digits: the keys of qpsmtpd's databases. */

import ipaddr from 'ipaddr.js';
import { isIpAddress } from './client-ranges.ts';

/** Undefined for what is no address. `::ffff:192.0.2.1` counts as IPv4; IPv6 addresses below 2 ** 32 look like IPv4 ones. */
export function addressNumber(address: string): string | undefined {
  if (!isIpAddress(address)) return undefined;
  const octets = ipaddr.process(address).toByteArray();
  if (octets.length === 4) return String(octets.reduce((sum, octet) => sum * 256 + octet, 0));
  return String(octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n));
}

/** The address behind a number of `addressNumber`; undefined for anything else. */
export function addressOfNumber(digits: string): string | undefined {
  if (!/^\d{1,39}$/.test(digits)) return undefined;
  let rest = BigInt(digits);
  if (rest >> 128n !== 0n) return undefined;
  const octets = new Array<number>(rest >> 32n === 0n ? 4 : 16).fill(0);
  for (let index = octets.length - 1; index >= 0; index--, rest >>= 8n) octets[index] = Number(rest & 255n);
  return ipaddr.fromByteArray(octets).toString();
}
