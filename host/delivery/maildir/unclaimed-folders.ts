/** Folders of old that two addresses could mean, for an operator who would rather say whose they are. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { OWNER_FILE } from './folder-choice.ts';
import type { MaildirLayout } from './layout.ts';

/** Entries of directories that are looked at. */
const MAX_SEEN = 1_000_000;

/**
 * Maildirs under the pattern whose name has a `_` that may stand for another character, and in which nobody is recorded. Reads
 * directories while it is asked: for commands, not for the running daemon.
 */
export function* unclaimedFolders({ directory, subdirectory }: MaildirLayout): Generator<string> {
  const parts = subdirectory.split('/').filter((part) => part !== '');
  let seen = 0;
  function* below(folder: string, depth: number, isUnsure: boolean): Generator<string> {
    const part = parts[depth];
    if (part === undefined) {
      if (isUnsure && existsSync(join(folder, 'new')) && !existsSync(join(folder, OWNER_FILE))) yield folder;
      return;
    }
    for (const name of namesIn(folder, part)) {
      if (++seen > MAX_SEEN) return;
      const values = matcherOf(part).exec(name)?.slice(1).join('');
      // What qpsmtpd wrote holds none of the characters for which it writes `_`.
      if (values === undefined || /[^-A-Za-z0-9+_.,@=]/.test(values)) continue;
      yield* below(join(folder, name), depth + 1, isUnsure || values.includes('_'));
    }
  }
  yield* below(directory, 0, false);
}

function namesIn(folder: string, part: string): readonly string[] {
  if (!/%[ldu]/.test(part)) return [part];
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    // Not there yet, or not ours to read: no mail of ours is in it.
    return [];
  }
}

const matcherOf = (part: string): RegExp =>
  new RegExp(`^${part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replace(/%[ldu]/g, '(.+)')}$`, 's');
