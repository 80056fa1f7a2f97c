/** Where configuration files are looked for. */

import { accessSync, constants, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../errors/error-classes.ts';
import { troubleAt } from '../errors/system-trouble.ts';
import { findPackageRoot } from '../package/package-root.ts';
import { errorCode, isAbsent } from './file-system.ts';

export interface SearchPathOptions {
  /** The directory given on the command line; takes the place of `QPSMTPD_CONFIG`. */
  readonly configDir?: string | undefined;
  /** `QPSMTPD_CONFIG`, `QMAIL` and `PROCESS` are read; an empty one counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The directory of this package; `PROCESS`, the path of a program, overrides it as in qpsmtpd. */
  readonly programDir: string;
}

/**
 * The configuration directories in the order they are searched: the one that was named, `config` of this package,
 * and qmail's `control`, so that a host which ran qmail-smtpd needs no new files.
 */
export function searchPath({ configDir, env, programDir }: SearchPathOptions): string[] {
  const named = configDir ?? textOf(env['QPSMTPD_CONFIG']);
  const process = textOf(env['PROCESS']);
  const program = process?.includes('/') ? dirname(process) : programDir;
  const beside = join(program, 'config');
  const qmail = join(textOf(env['QMAIL']) ?? '/var/qmail', 'control');
  return named === undefined ? [beside, qmail] : [named, beside, qmail];
}

/** What is searched by this process, where `--config` names `configDir`. Throws if one of them cannot be entered. */
export function openSearchPath(configDir: string | undefined): string[] {
  const directories = searchPath({ configDir, env: process.env, programDir: findPackageRoot() });
  directories.forEach(requireSearchable);
  return directories;
}

/**
 * Throws for a directory that is there and cannot be entered: each file looked for in it would be a complaint of its own. One
 * that is missing is in order.
 */
export function requireSearchable(directory: string): void {
  try {
    // With the dot a file in its place is absent as a directory, and not one that cannot be executed.
    accessSync(`${directory}/.`, constants.X_OK);
  } catch (cause) {
    if (isAbsent(errorCode(cause))) return;
    const { problem, remedy } = troubleAt(join(directory, 'plugins'), cause);
    throw new ConfigError({ file: directory }, `the configuration can't be read: ${problem}`, remedy);
  }
}

const textOf = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The absolute path of `--config`. Throws if it is no folder: the fallbacks would quietly serve another configuration. */
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
