/**
 * Reads the databases of the Perl daemon with the help of Perl, which alone knows in which of its formats they are.
 *
 * Takes over what the Perl daemon knew: the entries of greylist.dbm and karma.dbm.
 */

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { basename } from 'node:path';
import { StoreError } from './backend.ts';
import type { PluginDefinition, Store } from '../../bindings/plugin/index.ts';

export interface ImportCount {
  imported: number;
  /** The store knew the key already: what it learnt since then counts. */
  kept: number;
  /** Too old to matter. */
  expired: number;
  /** No entry of this kind of database. */
  odd: number;
}

export type DatabaseName = 'greylist' | 'karma';

/** Whose databases these are. */
export const OWNERS: Readonly<Record<DatabaseName, string>> = { greylist: 'greylisting', karma: 'karma' };

/** The part of the store a file belongs to by its name; undefined for others. */
export function databaseOf(path: string): DatabaseName | undefined {
  const name = /^(?:denysoft_)?(greylist|karma)(?:\.|$)/.exec(basename(path))?.[1];
  return name === 'greylist' || name === 'karma' ? name : undefined;
}

export async function importEntries(
  store: Store,
  read: NonNullable<PluginDefinition['importEntry']>,
  entries: Iterable<readonly [key: string, value: string]>,
  nowMs: number,
): Promise<ImportCount> {
  const count: ImportCount = { imported: 0, kept: 0, expired: 0, odd: 0 };
  for (const [key, text] of entries) {
    const entry = read(key, text, nowMs);
    if (entry === undefined) count.odd++;
    else if (entry.expiresInMs <= 0) count.expired++;
    else {
      const isNew = await store.transact(key, (known) =>
        known === undefined ? { ...entry, answer: true } : { answer: false },
      );
      if (isNew) count.imported++;
      else count.kept++;
    }
  }
  return count;
}

/**
 * AnyDBM_File takes the first of these that is installed. Two of them add endings to the name they are given, so a file is
 * tried as what it is called. Octets are printed in hexadecimal: a key can hold anything.
 */
const READER = `
use strict; use Fcntl;
my $path = shift;
my @why;
for my $kind (qw(DB_File GDBM_File NDBM_File SDBM_File ODBM_File)) {
  my $base = $path;
  if ($kind =~ /^[NSO]/) { next unless $base =~ s/\\.(?:pag|dir)$// } elsif ($path =~ /\\.(?:pag|dir)$/) { next }
  eval "require $kind; 1" or do { push @why, "$kind is not installed"; next };
  my $flags = $kind eq 'GDBM_File' ? GDBM_File::GDBM_READER() : O_RDONLY;
  my %entries;
  tie(%entries, $kind, $base, $flags, 0640) or do { push @why, "no $kind"; next };
  while (my ($key, $value) = each %entries) { print unpack('H*', $key), ' ', unpack('H*', $value), "\\n" }
  print "end\\n";
  exit 0;
}
print STDERR join(', ', @why), "\\n";
exit 1;
`;

/** Key and value of every entry. Throws a `StoreError` with a remedy. */
export async function readDbmFile(
  path: string,
  perl = 'perl',
): Promise<readonly (readonly [string, string])[]> {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw new StoreError(`${path} can't be read: ${(cause as Error).message}`, cause);
  }
  const { output, problem } = await run(perl, ['-e', READER, '--', path]);
  // Without its last line the list may be cut short.
  if (problem !== undefined || !output.endsWith('end\n')) {
    throw new StoreError(`${path} is no database that Perl can read: ${problem ?? 'it ended early'}`);
  }
  return output
    .split('\n')
    .slice(0, -2)
    .map((line) => {
      const [key = '', value = ''] = line.split(' ').map((hex) => Buffer.from(hex, 'hex').toString('utf8'));
      return [key, value] as const;
    });
}

function run(
  perl: string,
  args: readonly string[],
): Promise<{ output: string; problem: string | undefined }> {
  return new Promise((resolve, reject) => {
    const child = spawn(perl, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    let problem = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problem += text));
    child.once('error', (cause) => {
      const remedy =
        'install perl, or import where the old daemon ran, into a Redis store or a directory to copy';
      reject(new StoreError(`${perl} can't be run: ${cause.message} (${remedy})`, cause));
    });
    child.once('close', (code) => {
      const text = Buffer.concat(output).toString('latin1');
      resolve({ output: text, problem: code === 0 ? undefined : problem.trim() || `exit code ${code}` });
    });
  });
}
