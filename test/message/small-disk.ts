/** A small file system, where the sandbox lets a test mount one. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, TestRunner } from 'vitest';
import { folder } from './folder.ts';

/** Path of the mounted file system. Where none may be mounted the test is skipped, and a line says so. */
export function smallDisk(size = '64k'): string {
  const path = folder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'none', path]);
  if (mounted.status !== 0) {
    const { context, name } = TestRunner.getCurrentTest()!;
    const reason = `no file system may be mounted here (${String(mounted.stderr).trim()})`;
    process.stdout.write(`skipped: ${name}: ${reason}\n`);
    context.skip(reason);
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
