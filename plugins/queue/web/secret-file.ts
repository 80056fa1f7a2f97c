/** Passwords and keys, in a file of their own. */

import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';

const MAX_OCTETS = 16_384;
/** Bits of group and others. */
const OTHERS = 0o077;

/**
 * Reads `key=value` lines; blank ones and those with `#` in front are comments. Refuses a file that others may read: every
 * local user, or a program broken into, could send mail to the service in this host's name. Errors name the file and
 * never what it holds.
 */
export function readSecrets<K extends string>(path: string, keys: readonly K[]): Partial<Record<K, string>> {
  const refuse = (problem: string, remedy: string): never => {
    throw new QpsmtpdError('Q_PLUGIN_OPTION', `secrets: ${path} ${problem} (${remedy})`);
  };
  const secrets: Partial<Record<K, string>> = {};
  read(path, refuse)
    .split('\n')
    .map((line) => line.trim())
    .forEach((line, index) => {
      if (line === '' || line.startsWith('#')) return;
      const equals = line.indexOf('=');
      const key = keys.find((known) => known === line.slice(0, equals).trim());
      const value = line.slice(equals + 1).trim();
      if (key === undefined)
        return refuse(`line ${index + 1} has no known key`, `it takes ${keys.join(', ')}`);
      if (value === '') return refuse(`line ${index + 1} has no value`, `write ${key}=VALUE`);
      if (/[\u0000-\u001f\u007f]/.test(value))
        return refuse(`line ${index + 1} has control characters`, 'none');
      if (secrets[key] !== undefined) return refuse(`has ${key} twice`, 'leave one of them out');
      secrets[key] = value;
    });
  return secrets;
}

/** One file descriptor for the checks and the text: a file that is exchanged in between can't slip through. */
function read(path: string, refuse: (problem: string, remedy: string) => never): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    return refuse(`can't be read: ${(cause as NodeJS.ErrnoException).code}`, 'make it, mode 0600');
  }
  try {
    const facts = fstatSync(file);
    const { mode, uid, size } = facts;
    if (!facts.isFile()) return refuse('is no file', 'make it one');
    if ((mode & OTHERS) !== 0) return refuse('can be read or written by others', 'chmod 600');
    if (uid !== 0 && uid !== process.geteuid?.()) {
      return refuse('belongs to another user', 'chown it to the user of the daemon');
    }
    if (size > MAX_OCTETS)
      return refuse(`has more than ${MAX_OCTETS} octets`, 'leave only the secrets in it');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}
