/** What a command can still say about a spool whose index can't be opened. */

import { readdir } from 'node:fs/promises';
import { SpoolError } from '../spool/files/spool-error.ts';
import type { SpoolFolder } from '../spool/files/spool-folder.ts';
import { isSpoolId } from '../spool/files/spool-id.ts';

const MIB = 1_048_576;

/** `cause` with what the files and their file system tell: whether mail waits there, and whether there is room at all. */
export async function spoolTrouble(folder: SpoolFolder, cause: unknown): Promise<SpoolError> {
  const facts = await Promise.all([waitingIn(folder), roomIn(folder)]);
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new SpoolError(`${problem} (${facts.join(', ')})`);
}

async function waitingIn({ target }: SpoolFolder): Promise<string> {
  try {
    const names = await readdir(target);
    return `${names.filter(isSpoolId).length} messages are in ${target}`;
  } catch (error) {
    return `${target} can't be read: ${(error as NodeJS.ErrnoException).code ?? ''}`;
  }
}

async function roomIn(folder: SpoolFolder): Promise<string> {
  const octets = await folder.freeOctets().catch(() => undefined);
  return octets === undefined
    ? `its file system does not answer`
    : `${Math.floor(octets / MIB)} MiB of its file system are free`;
}
