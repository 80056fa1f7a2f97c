/** The spool of a configuration directory, for the commands that look into it while the daemon runs. */

import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigDirectory } from '../config/config-directory.ts';
import { searchPath } from '../config/search-path.ts';
import { SpoolError } from '../delivery/spool/spool-error.ts';
import { SpoolFolder } from '../delivery/spool/spool-folder.ts';
import { SpoolIndex } from '../delivery/spool/spool-index.ts';
import { silence } from '../observe/silence.ts';

export interface ConfiguredSpool {
  readonly folder: SpoolFolder;
  readonly index: SpoolIndex;
}

/**
 * Opens the spool in `directory`, or that of the line `queue/spool` in the configuration. Throws if there is none yet: one
 * that a command made as the wrong user would keep the daemon from opening it.
 */
export async function openConfiguredSpool(
  directory: string | undefined,
  configDir: string | undefined,
): Promise<ConfiguredSpool> {
  const path = directory ?? locate(configDir);
  const folder = new SpoolFolder(existsSync(path) ? realpathSync(path) : path);
  if (!existsSync(folder.target) || !existsSync(folder.indexPath)) {
    throw new SpoolError(`there is no spool in ${path} yet (run this as the daemon's user)`);
  }
  return { folder, index: await SpoolIndex.open(folder.indexPath) };
}

function locate(configDir: string | undefined): string {
  const programDir = fileURLToPath(new URL('../..', import.meta.url));
  const directories = searchPath({ configDir, env: process.env, programDir });
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
