/** Single files as JavaScript, for tests that run programs as they are in the tree, without a build. */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type typescript from 'typescript';

export const ROOT = resolve(import.meta.dirname, '../..');
const load = createRequire(import.meta.url);
/** Where the packages are: `npm run check -- --staged` runs tests in a folder that has none. */
export const PACKAGES = dirname(dirname(load.resolve('typescript/package.json')));
/** One entry for each source file, ended by a line that says what it was made of. */
const CACHE = join(PACKAGES, '.cache/test-programs');
const { version } = load('typescript/package.json') as { version: string };

/** Writes the JavaScript of a file, which is named from the root, to the same place below `target`, and returns it. */
export function compile(file: string, target: string): string {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const ending = `\n// ${createHash('sha256').update(version).update('\0').update(text).digest('hex')}\n`;
  const cached = join(CACHE, `${file}.js`);
  let output = cachedIn(cached);
  if (!output.endsWith(ending)) {
    output = transpile(file, text) + ending;
    write(`${cached}.${process.pid}`, output);
    // Several processes may do this at the same time.
    renameSync(`${cached}.${process.pid}`, cached);
  }
  write(join(target, file.replace(/\.ts$/, '.js')), output);
  return output;
}

function cachedIn(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function transpile(file: string, text: string): string {
  // It takes a second to load, and is needed only after changes.
  const ts = load('typescript') as typeof typescript;
  return ts.transpileModule(text, {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  }).outputText;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
