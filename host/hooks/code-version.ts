/** Tells whether the code of a plugin has changed: its file, or one that it imports by a relative path. */

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

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

/** A short word that is another one as soon as any of the module's files is. A missing file counts, too. */
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
