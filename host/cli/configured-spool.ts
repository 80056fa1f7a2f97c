/** The spool of a configuration directory, for the commands that look into it while the daemon runs. */

import { realpathSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { becomeOwnerOf } from '../process/privileges.ts';
import { SpoolError } from '../spool/files/spool-error.ts';
import { SpoolFolder } from '../spool/files/spool-folder.ts';
import { isSpoolId } from '../spool/files/spool-id.ts';
import { SpoolIndex } from '../spool/index/spool-index.ts';
import { openCommandConfig } from './service-option.ts';

export interface ConfiguredSpool {
  readonly folder: SpoolFolder;
  readonly index: SpoolIndex;
}

/**
 * Opens the spool in `directory`, or that of the line `queue/spool` in the configuration of `service`. Throws a `SpoolError` that says
 * what is wrong if there is none, or if its index can't be opened. Root becomes the owner of the spool.
 */
export async function openConfiguredSpool(
  directory: string | undefined,
  configDir: string | undefined,
  service?: string,
): Promise<ConfiguredSpool> {
  const path = directory ?? locate(configDir, service);
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

/** Throws where access is denied: that is another fault than a missing spool. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw new SpoolError(`can't look at ${path} (run this as the daemon's user)`, error);
  }
}

function locate(configDir: string | undefined, service: string | undefined): string {
  const config = openCommandConfig(configDir, service);
  try {
    for (const line of config.lines('plugins')) {
      const [name = '', ...options] = line.split(/[ \t]+/);
      if (name.replace(/:\d+$/, '') !== 'queue/spool') continue;
      // No other option in front of `via` takes an absolute path.
      const path = options.slice(0, options.indexOf('via')).find((option) => option.startsWith('/'));
      if (path !== undefined) return path;
    }
  } finally {
    config.close();
  }
  const file = service === undefined ? 'plugins' : `plugins.${service}`;
  throw new SpoolError(`no line of config/${file} names queue/spool (name the folder with --spool)`);
}

const MIB = 1_048_576;

/**
 * `cause` with facts about the files and their file system: whether mail waits there, and whether there is room at all.
 */
export async function spoolTrouble(folder: SpoolFolder, cause: unknown): Promise<SpoolError> {
  const facts = await Promise.all([waitingIn(folder), roomIn(folder)]);
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new SpoolError(`${problem} (${facts.join(', ')})`);
}

async function waitingIn({ target }: SpoolFolder): Promise<string> {
  try {
    const names = await readdir(target);
    return `${names.filter(isSpoolId).length} messages are in ${target}`;
  } catch (error) {
    return `${target} can't be read: ${(error as NodeJS.ErrnoException).code ?? ''}`;
  }
}

async function roomIn(folder: SpoolFolder): Promise<string> {
  const octets = await folder.freeOctets().catch(() => undefined);
  return octets === undefined
    ? `its file system does not answer`
    : `${Math.floor(octets / MIB)} MiB of its file system are free`;
}
