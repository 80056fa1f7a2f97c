/** Private keys that everybody may read: whoever has a key can pose as this server, and read what it was sent. */

import { realpathSync, statSync } from 'node:fs';
import { foldersAbove } from '../errors/system-trouble.ts';

/**
 * What to warn of; undefined if the key is closed to others. The rights of a group are the operator's choice, as in Debian's
 * group ssl-cert, and a directory above that others may not enter closes the file too.
 */
export function openKeyWarning(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    if ((statSync(real).mode & 0o006) === 0) return undefined;
    if (foldersAbove(real).some((folder) => (statSync(folder).mode & 0o001) === 0)) return undefined;
  } catch {
    // The code that reads the key says what is wrong with it.
    return undefined;
  }
  return `${path}: every user of this host may read or write the private key (chmod o= ${path})`;
}
