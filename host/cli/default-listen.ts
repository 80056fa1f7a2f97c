/** Where a daemon listens by default. */

import { networkInterfaces } from 'node:os';

/** `[::]`, which takes IPv4 as well, where the host has IPv6; otherwise `0.0.0.0`. */
export function anyAddress(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): string {
  const hasIpv6 = Object.values(interfaces).some((list) => list?.some(({ family }) => family === 'IPv6'));
  return hasIpv6 ? '[::]' : '0.0.0.0';
}

/** Every address with every port; an address that brings its own port is taken as it is. */
export function listenSpecs(addresses: readonly string[], ports: readonly number[]): readonly string[] {
  return addresses.flatMap((address) =>
    hasPort(address) ? [`tcp://${address}`] : ports.map((port) => `tcp://${address}:${port}`),
  );
}

/** In `[::1]:25` the colons inside the brackets are none of the port's. */
function hasPort(address: string): boolean {
  return /^(?:\[[^\]]*\]|[^:[\]]*):\d+$/.test(address);
}
