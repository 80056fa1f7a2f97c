/** What the next octets are. One value at a time; facts about the client stand apart. */

import { readChunk } from './bdat-reader.ts';
import { readCommands } from './command-reader.ts';
import { readData } from './data-reader.ts';
import { readResponses } from './sasl-reader.ts';
import type { Session } from './session.ts';

export type InputMode = 'greeting' | 'command' | 'data' | 'bdat' | 'sasl' | 'tls-handshake' | 'closed';

/** Reads from `chunk` at `from` on and returns where it stopped: at the end, or where the mode changed. */
export type Reader = (session: Session, chunk: Buffer, from: number) => number;

/**
 * Octets that nobody wants: before the greeting and until TLS has taken over the session puts them aside, behind the end
 * they are dropped.
 */
const drop: Reader = (_session, chunk) => chunk.length;

export const readers: Readonly<Record<InputMode, Reader>> = {
  greeting: drop,
  command: readCommands,
  data: readData,
  bdat: readChunk,
  sasl: readResponses,
  'tls-handshake': drop,
  closed: drop,
};
