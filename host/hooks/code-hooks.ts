/** Module hooks for plugins whose code has changed: their relative imports get a version too, unless they are as before. */

import { fileURLToPath } from 'node:url';
import { codeVersion, VERSION_KEY } from './code-version.ts';

type NextResolve = (specifier: string, context: ResolveContext) => Promise<Resolved>;
interface ResolveContext {
  readonly parentURL?: string | undefined;
}
interface Resolved {
  readonly url: string;
}

const first = new Map<string, string>();

/** Called in the thread of the hooks with the versions of what was imported before. */
export function initialize(versions: readonly (readonly [file: string, version: string])[]): void {
  for (const [file, version] of versions) first.set(file, version);
}

export async function resolve(
  specifier: string,
  context: ResolveContext,
  nextResolve: NextResolve,
): Promise<Resolved> {
  const resolved = await nextResolve(specifier, context);
  if (!specifier.startsWith('.') || !resolved.url.startsWith('file:')) return resolved;
  const path = fileURLToPath(resolved.url);
  const known = first.get(path);
  if (known === undefined && !isMarked(context.parentURL)) return resolved;
  const version = codeVersion(path);
  return known === version ? resolved : { ...resolved, url: `${resolved.url}?${VERSION_KEY}=${version}` };
}

const isMarked = (url: string | undefined): boolean => url?.includes(`?${VERSION_KEY}=`) === true;
