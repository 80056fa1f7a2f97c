/** Packages that only some configurations need: optional peer dependencies, which npm does not install by itself. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, sep } from 'node:path';
import type * as redis from '@redis/client';
import type * as fastify from 'fastify';
import type * as ws from 'ws';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { findPackageRoot, readManifest } from './package-root.ts';

/** Those of the host. Their versions, and those of the packages of plugins, stand in `peerDependencies` of package.json. */
interface OptionalPackages {
  readonly '@redis/client': typeof redis;
  readonly fastify: typeof fastify;
  readonly ws: typeof ws;
}

export interface RequirePackage {
  <N extends keyof OptionalPackages>(name: N): OptionalPackages[N];
  (name: string): unknown;
}

/**
 * Loads an optional package as the package in `root` finds it. To be called while the configuration that names it is
 * read, so that its author learns what is missing, and not the first message: it loads at once, because plugins are set
 * up without waiting. Throws a `QpsmtpdError` with the code `Q_PACKAGE` and the command that installs it if it is
 * missing; any other failure is thrown as it is.
 *
 * The folder is looked for by hand: Node remembers what it did not find, and a reload after the install would fail
 * again.
 */
export function requireFrom(root: string): RequirePackage {
  const require = createRequire(join(root, 'package.json'));
  return (name: string): never => {
    const isThere = require.resolve.paths(name)?.some((folder) => existsSync(join(folder, name)));
    if (isThere === true) return require(name) as never;
    const problem = `the package ${name} is not installed (${remedyFor(root, name)})`;
    throw new QpsmtpdError('Q_PACKAGE', problem);
  };
}

export const requirePackage: RequirePackage = requireFrom(findPackageRoot());

/**
 * npm is to run in the folder above the outermost `node_modules`; in a checkout, in the package itself. A folder without a
 * manifest is that of global packages: an install there, as if it were a project, would remove all others.
 */
function remedyFor(root: string, name: string): string {
  const wanted = `${name}@${testedVersion(root, name)}`;
  const [project = root] = root.split(`${sep}node_modules${sep}`);
  if (existsSync(join(project, 'package.json'))) return `run \`npm install ${wanted}\` in ${project}`;
  const prefix = basename(project) === 'lib' ? dirname(project) : project;
  return `run \`npm install --global --prefix ${prefix} ${wanted}\``;
}

/** The range allows later corrections; it begins with what was tested. */
const testedVersion = (root: string, name: string): string =>
  readManifest(root).peerDependencies?.[name]?.replace(/^~/, '') ?? 'latest';
