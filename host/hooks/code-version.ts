/**
 * Whether the code of a plugin has changed (its file, or one that it imports by a relative path), and the URL under which it is
 * imported. Node keeps a module for ever by its URL, so code that has changed since it was first imported in this process goes by
 * another one. The old code stays in memory, with the sessions that use it and beyond: a few kilobytes for each change.
 */

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { dirname, extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Marks URLs of changed code. */
export const VERSION_KEY = 'qpsmtpd';

const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;
const OWN_IMPORT = /\b(?:from|import)\s*\(?\s*(['"])qpsmtpd(?:\/[^'"\n]+)?\1/;
/** Files that are looked at for one plugin; one with more is told apart by the first of them. */
const MAX_FILES = 500;

/** The files whose code a module consists of: itself, and what relative imports lead to. */
export function filesOf(path: string): string[] {
  const files = new Set([path]);
  for (const file of files) {
    for (const [, , specifier] of textOf(file).matchAll(RELATIVE_IMPORT)) {
      if (files.size < MAX_FILES) files.add(resolve(dirname(file), specifier!));
    }
  }
  return [...files];
}

/** One of the module's files imports this package by its name. */
export function importsOwnPackage(path: string): boolean {
  return filesOf(path).some((file) => OWN_IMPORT.test(textOf(file)));
}

/** A short text that changes as soon as any of the module's files does. A missing file counts, too. */
export function codeVersion(path: string): string {
  const hash = createHash('sha256');
  for (const file of filesOf(path)) hash.update(`${file}\0${stampOf(file)}\0`);
  return hash.digest('base64url').slice(0, 16);
}

function stampOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'missing';
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const OWN_API = 'qpsmtpd/plugin';
/** The version of each file when it was first imported, under its plain URL. */
const first = new Map<string, string>();
const registered = new Set<string>();

/** Plain for code that is new or unchanged, with its version for code that has changed. */
export function urlOfCode(path: string): string {
  const { href } = pathToFileURL(path);
  const known = first.get(path);
  if (known === undefined) {
    if (importsOwnPackage(path) && !findsOwnApi(path)) registerHooks('own-package-hooks', undefined);
    // Also if the import fails: Node keeps failures, too.
    for (const file of filesOf(path)) if (!first.has(file)) first.set(file, codeVersion(file));
    return href;
  }
  const version = codeVersion(path);
  if (known === version) return href;
  registerHooks('code-hooks', [...first]);
  return `${href}?${VERSION_KEY}=${version}`;
}

/** Node finds this very package from the file: it lies in the package, or npm has linked the two. */
function findsOwnApi(path: string): boolean {
  try {
    return createRequire(path).resolve(OWN_API) === createRequire(import.meta.url).resolve(OWN_API);
  } catch {
    return false;
  }
}

/** Hooks cost a thread, so they wait until code asks for them. `data` is what `initialize` of the hooks gets. */
function registerHooks(name: string, data: unknown): void {
  if (registered.has(name)) return;
  registered.add(name);
  const here = import.meta.url;
  register(new URL(`./${name}${extname(fileURLToPath(here))}`, here).href, { data });
}
