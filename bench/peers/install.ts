/** Gets peers from their registries, at the versions named, into the scratch folder. */

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MissingError } from './peer.ts';

const execute = promisify(execFile);
const INSTALL_PATIENCE_MS = 240_000;

/** Installs an npm package with `npm i --prefix`, unless that version is there; returns its folder. */
export async function installNpm(installs: string, name: string, version: string): Promise<string> {
  const prefix = join(installs, `${name}-${version}`);
  const folder = join(prefix, 'node_modules', name);
  const manifest = join(folder, 'package.json');
  const isThere =
    existsSync(manifest) &&
    (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version === version;
  if (isThere) return folder;
  mkdirSync(prefix, { recursive: true });
  const args = [
    'install',
    '--prefix',
    prefix,
    '--no-audit',
    '--no-fund',
    '--omit=optional',
    `${name}@${version}`,
  ];
  await execute('npm', args, { cwd: prefix, timeout: INSTALL_PATIENCE_MS }).catch((error: unknown) => {
    throw new MissingError(`npm install ${name}@${version} failed: ${firstLine(error)}`);
  });
  return folder;
}

/** The version of an installed Debian package. */
export async function requireDebian(name: string): Promise<string> {
  try {
    const { stdout } = await execute('dpkg-query', ['-W', '-f', '${Status} ${Version}', name]);
    const version = /^install ok installed (.+)$/.exec(stdout)?.[1];
    if (version !== undefined) return version;
  } catch {
    // Not known to dpkg, or no Debian.
  }
  throw new MissingError(
    `Debian's package ${name} is not installed: apt-get install --no-install-recommends ${name}`,
  );
}

/** Unpacks a Debian package that must not be installed beside another; returns its version. */
export async function unpackDebian(installs: string, name: string, into: string): Promise<string> {
  const archives = join(installs, 'debian');
  mkdirSync(archives, { recursive: true });
  try {
    const { stdout } = await execute('apt-cache', ['policy', name]);
    const version = /Candidate: (\S+)/.exec(stdout)?.[1];
    if (version === undefined || version === '(none)')
      throw new Error('apt knows no such package; apt-get update?');
    const file = `${name}_${version.replace(':', '%3a')}_${(await execute('dpkg', ['--print-architecture'])).stdout.trim()}.deb`;
    if (!existsSync(join(archives, file))) await execute('apt-get', ['download', name], { cwd: archives });
    await execute('dpkg-deb', ['-x', join(archives, file), into]);
    return version;
  } catch (error) {
    throw new MissingError(`Debian's package ${name} cannot be unpacked: ${firstLine(error)}`);
  }
}

/** Throws a `MissingError` unless this runs as root, which the server needs to change to its own user. */
export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw new MissingError(`${what} has to be started as root`);
}

function firstLine(error: unknown): string {
  const { stderr } = error as { readonly stderr?: string };
  return (stderr?.trim() || String(error)).split('\n', 1)[0]!;
}
