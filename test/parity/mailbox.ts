import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MESSAGE_MARK } from './diff.ts';

/** The messages of a Maildir's `new/`, as latin1 text, in the order they were delivered. */
export function readMaildir(directory: string): string[] {
  const folder = join(directory, 'new');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((file) => ({ file, writtenAt: statSync(file, { bigint: true }).mtimeNs }))
    .sort((a, b) => (a.writtenAt < b.writtenAt ? -1 : 1))
    .map(({ file }) => readFileSync(file, 'latin1'));
}

/** Messages as lines to be compared: each under a heading, octets that do not print as `\xHH`. */
export function printMails(mails: readonly string[]): string[] {
  return mails.flatMap((mail) => [
    MESSAGE_MARK,
    ...mail
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => `M: ${escapeOctets(line)}`),
    ...(mail.endsWith('\n') ? [] : ['[no newline at the end]']),
  ]);
}

const escapeOctets = (line: string): string =>
  line.replace(/[^\x20-\x7e]|\\/g, (octet) => {
    if (octet === '\\') return '\\\\';
    if (octet === '\t') return '\\t';
    return `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
