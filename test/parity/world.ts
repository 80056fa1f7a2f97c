/** What stands around a daemon that is compared: where its client comes from, and whom it asks about names. */

import type { ClientPlace } from './cases.ts';

export interface World {
  /** Undefined: the client is on loopback. */
  readonly client?: ClientPlace | undefined;
  /** Of the name server on loopback; undefined: whatever the system has. */
  readonly dnsPort?: number | undefined;
}

/** How a proxy says where a client comes from. */
export const proxyHeader = ({ address }: ClientPlace): string =>
  `PROXY TCP4 ${address} 127.0.0.1 40000 25\r\n`;
