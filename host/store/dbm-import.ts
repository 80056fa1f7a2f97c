/** Takes over what the Perl daemon knew: the entries of greylist.dbm and karma.dbm. */

import { basename } from 'node:path';
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
