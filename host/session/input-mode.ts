/** What the next octets are. One value at a time; facts about the client stand apart. */

import { readCommands } from './command-reader.ts';
import { readData } from './data-reader.ts';
import type { Session } from './session.ts';

export type InputMode = 'greeting' | 'command' | 'data' | 'closed';

/** Reads from `chunk` at `from` on and returns where it stopped: at the end, or where the mode changed. */
export type Reader = (session: Session, chunk: Buffer, from: number) => number;

/** Octets that nobody wants: before the greeting they are kept by the session, behind the end they are dropped. */
const drop: Reader = (_session, chunk) => chunk.length;

export const readers: Readonly<Record<InputMode, Reader>> = {
  greeting: drop,
  command: readCommands,
  data: readData,
  closed: drop,
};
