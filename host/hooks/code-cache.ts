/**
 * The URL under which the code of a plugin is imported. Node keeps a module for ever by its URL, so code that has changed
 * since it was first imported in this process goes by another one. The old code stays in memory, with the sessions that
 * use it and beyond: a few kilobytes for each change.
 */

import { createRequire, register } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { codeVersion, filesOf, importsOwnPackage } from './code-version.ts';
import { VERSION_KEY } from './code-hooks.ts';

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
