/** Addresses that mail for others never goes to. */

import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';

const NEVER = new Set(['loopback', 'unspecified', 'multicast', 'broadcast', 'linkLocal', 'reserved']);

/**
 * False for addresses of this machine and for those of no machine at all. The owner of a domain decides where its MX leads:
 * to `127.0.0.1`, it would have us speak to services that trust everybody on this host (server-side request forgery).
 * Private networks (RFC 1918) are fine: sites route their own mail there.
 */
export function isReachable(address: string): boolean {
  if (isIP(address) === 0) return false;
  return !NEVER.has(ipaddr.process(address).range());
}
