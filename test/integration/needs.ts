/** Tests that need a program: skipped with a line that says so where it is missing, never where CI runs. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

// Daemons lie there, and only root has it in its path.
process.env['PATH'] = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin`;

const IS_CI = process.env['CI'] === 'true';

export function hasProgram(name: string): boolean {
  const folders = name.startsWith('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(folder === '' ? name : join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `describe`, or a skip that names the Debian package to install. */
export function describeWith(program: string, debianPackage: string): typeof describe | typeof describe.skip {
  if (hasProgram(program) || IS_CI) return describe;
  process.stderr.write(`skipped: ${program} is missing (apt-get install ${debianPackage})\n`);
  return describe.skip;
}

/** The same for a module of Perl. */
export function describeWithPerl(
  module: string,
  debianPackage: string,
): typeof describe | typeof describe.skip {
  const { status } = spawnSync('perl', [`-M${module}`, '-e', '1'], { stdio: 'ignore' });
  return status === 0 ? describe : describeWith(module, debianPackage);
}
