/** Where the benchmarks find the project, wherever they were compiled to. */

import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The project's root: the nearest folder above this module that holds a package.json. */
export const ROOT = findRoot(import.meta.dirname);

/** The sources of this folder: programs that are not TypeScript are read from here. */
export const BENCH = join(ROOT, 'bench');

export const RESULTS = join(BENCH, 'results');

/** The compiled load generator and the like. */
export const COMPILED = import.meta.dirname;

/** Where peers are installed unless `--scratch` says otherwise: outside the repository, kept for the next run. */
export const DEFAULT_SCRATCH = join(tmpdir(), `qpsmtpd-bench-${process.getuid?.() ?? 'user'}`);

function findRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(above);
}
