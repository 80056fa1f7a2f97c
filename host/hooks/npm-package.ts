/** Plugins that are npm packages: finds the package from where the operator has it, and the file it exports. */

import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

/** `npm:NAME`, or a bare name that says it is a plugin: `qpsmtpd-plugin-x`, `@scope/qpsmtpd-plugin-x`. */
const PREFIX = 'npm:';
const PACKAGE = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const BARE = /^(?:@[a-z0-9][a-z0-9._-]*\/)?qpsmtpd-plugin-[a-z0-9._-]+$/;
/** How deep conditions in `exports` may nest. */
const MAX_DEPTH = 5;

/** The package a plugin's name stands for; undefined if it stands for a file. */
export function packageNamed(name: string): string | undefined {
  if (name.startsWith(PREFIX)) {
    const rest = name.slice(PREFIX.length);
    return PACKAGE.test(rest) ? rest : undefined;
  }
  return BARE.test(name) ? name : undefined;
}

export interface FoundPackage {
  readonly directory: string;
  /** The file its name leads to; undefined if it leads to none. */
  readonly path: string | undefined;
}

/** Looks into `node_modules` of each base and of the directories above it, as Node does. The first base wins. */
export function findPackage(name: string, bases: readonly string[]): FoundPackage | undefined {
  for (const base of bases) {
    for (let at = resolve(base); ; at = dirname(at)) {
      const directory = join(at, 'node_modules', name);
      const manifest = readManifest(directory);
      if (manifest !== undefined) return { directory, path: entryOf(directory, manifest) };
      if (at === dirname(at)) break;
    }
  }
  return undefined;
}

interface Manifest {
  readonly exports?: unknown;
  readonly main?: unknown;
}

function readManifest(directory: string): Manifest | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null ? manifest : {};
  } catch {
    return undefined;
  }
}

/** `exports` under the conditions of an import, else `main`, else `index.js`. */
function entryOf(directory: string, { exports, main }: Manifest): string | undefined {
  const named =
    exports === undefined ? (typeof main === 'string' ? main : 'index.js') : targetOf(exports, MAX_DEPTH);
  if (named === undefined) return undefined;
  const path = resolve(directory, named);
  if (!path.startsWith(directory + sep)) return undefined;
  const endings = exports === undefined ? ['', '.js', '/index.js'] : [''];
  return endings.map((ending) => path + ending).find(isFile);
}

function targetOf(exports: unknown, depth: number): string | undefined {
  if (typeof exports === 'string') return exports;
  if (depth === 0 || typeof exports !== 'object' || exports === null) return undefined;
  if (Array.isArray(exports)) {
    return exports.map((each) => targetOf(each, depth - 1)).find((each) => each !== undefined);
  }
  for (const [condition, target] of Object.entries(exports)) {
    if (!['.', 'node', 'import', 'default'].includes(condition)) continue;
    const found = targetOf(target, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
