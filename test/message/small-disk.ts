/** A small file system, where the sandbox lets a test mount one. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { folder } from './folder.ts';

/** Path of the mounted file system; undefined, and a line printed, if mounting is not permitted here. */
export function smallDisk(size = '64k'): string | undefined {
  const path = folder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'none', path]);
  if (mounted.status !== 0) {
    process.stdout.write(`skipped: no file system may be mounted here (${String(mounted.stderr).trim()})\n`);
    return undefined;
  }
  onTestFinished(() => {
    spawnSync('umount', [path]);
  });
  return path;
}

/** Leaves no octet free; returns what makes room again. What is in a file already keeps its last page. */
export function fillDisk(path: string): () => void {
  const filler = join(path, 'filler');
  const file = openSync(filler, 'w');
  const page = Buffer.alloc(4_096);
  try {
    for (;;) writeSync(file, page);
  } catch {
    closeSync(file);
  }
  return () => unlinkSync(filler);
}
