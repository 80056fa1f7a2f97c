/** Takes over what the Perl daemon knew: the entries of greylist.dbm and karma.dbm. */

import { basename } from 'node:path';
import {
  GREYLIST_TIMES,
  greylistLifeMs,
  karmaLifeMs,
  parseKarma,
  printKarma,
  type Store,
} from '../../bindings/plugin/index.ts';

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

/** The part of the store a file belongs to by its name; undefined for others. */
export function databaseOf(path: string): DatabaseName | undefined {
  const name = /^(?:denysoft_)?(greylist|karma)(?:\.|$)/.exec(basename(path))?.[1];
  return name === 'greylist' || name === 'karma' ? name : undefined;
}

export async function importEntries(
  store: Store,
  name: DatabaseName,
  entries: Iterable<readonly [key: string, value: string]>,
  nowMs: number,
): Promise<ImportCount> {
  const count: ImportCount = { imported: 0, kept: 0, expired: 0, odd: 0 };
  for (const [key, text] of entries) {
    const entry = READERS[name](key, text, nowMs);
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

interface Entry {
  readonly value: string;
  readonly expiresInMs: number;
}

const READERS: Record<DatabaseName, (key: string, text: string, nowMs: number) => Entry | undefined> = {
  greylist(key, value, nowMs) {
    if (key === '' || !/^\d{1,12}(?::\d{1,9}){3}$/.test(value)) return undefined;
    const expiresInMs = greylistLifeMs(
      Number.parseInt(value, 10),
      nowMs / 1_000,
      GREYLIST_TIMES.white_timeout,
    );
    return { value, expiresInMs };
  },
  karma(key, text, nowMs) {
    if (!/^\d{1,39}$/.test(key) || !/^\d{0,12}(?::\d{0,9}){1,3}$/.test(text)) return undefined;
    const record = parseKarma(text);
    return { value: printKarma(record), expiresInMs: karmaLifeMs(record, nowMs) };
  },
};
