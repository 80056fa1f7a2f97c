/** The folder given with `--config`. */

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../errors/error-classes.ts';
import { requireSearchable } from '../config/search-path.ts';

/** The absolute path. Throws if it is no folder: the fallbacks would quietly serve another configuration. */
export function readConfigDir(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const folder = resolve(text);
  requireSearchable(folder);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return folder;
  throw new ConfigError(
    { file: folder },
    'there is no such folder',
    'give --config the folder with the file "plugins"',
  );
}
