/**
 * The URL under which the code of a plugin is imported. Node keeps a module for ever by its URL, so code that has changed
 * since it was first imported in this process goes by another one. The old code stays in memory, with the sessions that
 * use it and beyond: a few kilobytes for each change.
 */

import { register } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { codeVersion, filesOf } from './code-version.ts';
import { VERSION_KEY } from './code-hooks.ts';

/** The version of each file when it was first imported, under its plain URL. */
const first = new Map<string, string>();
let areHooksRegistered = false;

/** Plain for code that is new or unchanged, with its version for code that has changed. */
export function urlOfCode(path: string): string {
  const { href } = pathToFileURL(path);
  const known = first.get(path);
  if (known === undefined) {
    // Also if the import fails: Node keeps failures, too.
    for (const file of filesOf(path)) if (!first.has(file)) first.set(file, codeVersion(file));
    return href;
  }
  const version = codeVersion(path);
  if (known === version) return href;
  registerHooks();
  return `${href}?${VERSION_KEY}=${version}`;
}

/** What changed code imports by relative paths may have changed as well; the hooks see to it, in a thread of their own. */
function registerHooks(): void {
  if (areHooksRegistered) return;
  areHooksRegistered = true;
  const here = import.meta.url;
  const hooks = new URL(`./code-hooks${extname(fileURLToPath(here))}`, here);
  register(hooks.href, { data: [...first] });
}
