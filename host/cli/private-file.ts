/** Files that only their owner may read. */

import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Written beside and renamed, so that a running daemon never reads half a file and no other user reads a key. */
export function writePrivateFile(file: string, text: string): void {
  const beside = `${file}.${process.pid}`;
  try {
    writeFileSync(beside, text, { mode: 0o600, flag: 'wx' });
    // Whatever the umask is.
    chmodSync(beside, 0o600);
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
