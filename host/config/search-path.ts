/** Where configuration files are looked for. */

import { dirname, join } from 'node:path';

export interface SearchPathOptions {
  /** The directory given on the command line; takes the place of `QPSMTPD_CONFIG`. */
  readonly configDir?: string | undefined;
  /** `QPSMTPD_CONFIG`, `QMAIL` and `PROCESS` are read; an empty one counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The directory of the program; `PROCESS`, the path of a program, overrides it as in qpsmtpd. */
  readonly programDir: string;
}

/**
 * The configuration directories in the order they are searched: the one that was named, `config` beside the program,
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

const textOf = (value: string | undefined): string | undefined => (value === '' ? undefined : value);
