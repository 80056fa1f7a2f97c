/** What the next octets are. One value at a time, which has what its reader needs; facts about the client stand apart. */

import type { AuthExchange } from './auth-exchange.ts';
import type { Chunk } from './bdat.ts';
import type { IncomingData } from './incoming-data.ts';

/** `greeting` and `tls-handshake`: octets are put aside. `closed`: they are dropped. */
interface StatelessMode {
  readonly kind: 'greeting' | 'command' | 'tls-handshake' | 'closed';
}

export type InputMode = StatelessMode | IncomingData | Chunk | AuthExchange;

export const GREETING: StatelessMode = { kind: 'greeting' };
export const COMMAND: StatelessMode = { kind: 'command' };
export const TLS_HANDSHAKE: StatelessMode = { kind: 'tls-handshake' };
export const CLOSED: StatelessMode = { kind: 'closed' };
