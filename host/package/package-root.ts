/** This package: its folder, its manifest and its version. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package, with `package.json` in it: the same for the sources and for what is built from them. */
export function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

/** What is read of a `package.json`. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export const readManifest = (root: string): Manifest =>
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** `unknown` inside a bundle, which has another manifest above it, or none. */
function readVersion(): string {
  try {
    const { name, version } = readManifest(findPackageRoot());
    return name === 'qpsmtpd' ? (version ?? 'unknown') : 'unknown';
  } catch {
    return 'unknown';
  }
}

/** As greeting and Received show it. */
export const version = readVersion();
