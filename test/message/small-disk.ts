/** A file system of 64 KiB, where the sandbox lets a test mount one. */

import { spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { folder } from './folder.ts';

/** Path of the mounted file system; undefined, and a line printed, if mounting is not permitted here. */
export function smallDisk(): string | undefined {
  const path = folder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'none', path]);
  if (mounted.status !== 0) {
    process.stdout.write(`skipped: no file system may be mounted here (${String(mounted.stderr).trim()})\n`);
    return undefined;
  }
  onTestFinished(() => {
    spawnSync('umount', [path]);
  });
  return path;
}
