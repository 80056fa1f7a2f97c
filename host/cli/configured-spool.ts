/** The spool of a configuration directory, for the commands that look into it while the daemon runs. */

import { realpathSync, statSync } from 'node:fs';
import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { SpoolError } from '../spool/files/spool-error.ts';
import { SpoolFolder } from '../spool/files/spool-folder.ts';
import { SpoolIndex } from '../spool/index/spool-index.ts';
import { becomeOwnerOf } from '../process/privileges.ts';
import { silence } from '../observe/silence.ts';
import { spoolTrouble } from './spool-trouble.ts';

export interface ConfiguredSpool {
  readonly folder: SpoolFolder;
  readonly index: SpoolIndex;
}

/**
 * Opens the spool in `directory`, or that of the line `queue/spool` in the configuration. Throws a `SpoolError` that says
 * what is wrong if there is none, or if its index can't be opened. Root becomes the owner of the spool.
 */
export async function openConfiguredSpool(
  directory: string | undefined,
  configDir: string | undefined,
): Promise<ConfiguredSpool> {
  const path = directory ?? locate(configDir);
  const folder = new SpoolFolder(isThere(path) ? realpathSync(path) : path);
  becomeOwnerOf(folder.path);
  if (!isThere(folder.target)) throw new SpoolError(`there is no spool in ${path} yet`);
  try {
    // One that this command makes might belong to the wrong user, and keep the daemon out.
    if (!isThere(folder.indexPath))
      throw new SpoolError(`the spool ${path} has no index: no daemon could open it so far`);
    return { folder, index: await SpoolIndex.open(folder.indexPath) };
  } catch (error) {
    throw await spoolTrouble(folder, error);
  }
}

/** Throws where nobody lets us look: that is another trouble than a spool that is missing. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw new SpoolError(`can't look at ${path} (run this as the daemon's user)`, error);
  }
}

function locate(configDir: string | undefined): string {
  const directories = openSearchPath(configDir);
  const config = new ConfigDirectory({ directories, log: silence, watch: false });
  try {
    for (const line of config.lines('plugins')) {
      const [name = '', ...words] = line.split(/[ \t]+/);
      if (name.replace(/:\d+$/, '') !== 'queue/spool') continue;
      // No other option in front of `via` takes an absolute path.
      const path = words.slice(0, words.indexOf('via')).find((word) => word.startsWith('/'));
      if (path !== undefined) return path;
    }
  } finally {
    config.close();
  }
  throw new SpoolError('no line of config/plugins names queue/spool (name the folder with --spool)');
}
