/**
 * Where the file of a plugin is: in the operator's `plugin_dirs`, else among the plugins that come with the server, else in
 * a package that npm has installed.
 */

import { readdirSync, statSync, type Dirent } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../errors/error-classes.ts';
import { findPackage, packageNamed } from './npm-package.ts';
import { absenceOf, meantBy, PERL_PLUGINS } from './perl-plugins.ts';
import type { PluginLine } from './plugin-line.ts';

/** Compiled code looks for compiled plugins, a source tree for sources. */
const OWN_EXTENSION = extname(fileURLToPath(import.meta.url));
const OWN_DIRECTORY = fileURLToPath(new URL('../../plugins', import.meta.url));
const RUNS_TYPESCRIPT = Boolean((process.features as { typescript?: unknown }).typescript);
const ENDINGS: readonly string[] = ['.js', '.mjs', ...(RUNS_TYPESCRIPT ? ['.ts'] : []), '/index.js'];

export interface FoundPlugin {
  readonly path: string;
  /** The line as the plugin reads it: with the name it has here, and arguments it understands. */
  readonly line: PluginLine;
  /** It comes with the server. */
  readonly isBuiltIn: boolean;
  /** A file of the same name that is passed over because it is written in Perl. */
  readonly passedOver: string | undefined;
}

/**
 * Throws `Q_PLUGIN_NOT_FOUND` with the directories that were searched. Earlier directories win. Packages are looked for
 * from `packageBases` on.
 */
export function findPlugin(
  line: PluginLine,
  pluginDirs: readonly string[],
  packageBases: readonly string[] = [],
): FoundPlugin {
  if (line.file.startsWith('npm:')) return requirePackage(line, pluginDirs, packageBases);
  const dirs = pluginDirs.map((dir) => resolve(dir));
  const perl = dirs.map((dir) => join(dir, line.file)).find(isFile);
  for (const dir of dirs) {
    const path = ENDINGS.map((ending) => join(dir, line.file + ending)).find(isFile);
    if (path !== undefined) return { path, line, isBuiltIn: false, passedOver: undefined };
  }
  const own = [OWN_EXTENSION, `/index${OWN_EXTENSION}`].map((ending) =>
    join(OWN_DIRECTORY, line.file + ending),
  );
  const path = own.find(isFile);
  if (path !== undefined) return { path, line, isBuiltIn: true, passedOver: perl };
  if (packageNamed(line.file) !== undefined) return requirePackage(line, pluginDirs, packageBases);
  const meaning = PERL_PLUGINS.get(line.file);
  if (meaning?.kind !== 'renamed') throw notFound(line, dirs, perl);
  const { to, translate = (args) => args } = meaning;
  const name = to + line.name.slice(line.file.length);
  const found = findPlugin({ ...line, name, file: to, args: translate(line.args) }, pluginDirs, packageBases);
  return { ...found, passedOver: perl ?? found.passedOver };
}

function requirePackage(
  line: PluginLine,
  pluginDirs: readonly string[],
  packageBases: readonly string[],
): FoundPlugin {
  const { file, place } = line;
  const name = packageNamed(file)!;
  const bases = [...pluginDirs, ...packageBases].map((dir) => resolve(dir));
  const found = findPackage(name, bases);
  if (found?.path !== undefined) return { path: found.path, line, isBuiltIn: false, passedOver: undefined };
  if (found !== undefined) {
    throw new ConfigError(
      place,
      `package ${name} in ${found.directory} exports no file`,
      'see `exports` and `main` in its package.json',
      'Q_PLUGIN_NOT_FOUND',
    );
  }
  const remedy = `run \`npm install ${name}\` in one of these`;
  const searched = bases.join(', ');
  throw new ConfigError(place, `Package ${name} not found from ${searched}`, remedy, 'Q_PLUGIN_NOT_FOUND');
}

function notFound(
  { file, name, place }: PluginLine,
  dirs: readonly string[],
  perl: string | undefined,
): ConfigError {
  const absence = absenceOf(file);
  if (absence !== undefined)
    return new ConfigError(place, absence.problem, absence.remedy, 'Q_PLUGIN_NOT_FOUND');
  const meant = meantBy(
    file,
    [OWN_DIRECTORY, ...dirs].flatMap((dir) => pluginNames(dir)),
  );
  const suggestion = meant === undefined ? '' : `did you mean ${meant}? Else `;
  const remedy = `${suggestion}\`qpsmtpd plugin new\` begins one of your own`;
  const problem =
    perl === undefined
      ? `Plugin ${name} not found in our plugin dirs (${[...dirs, OWN_DIRECTORY].join(', ')})`
      : `${perl} is a Perl plugin, and no plugin of this server has that name`;
  return new ConfigError(place, problem, remedy, 'Q_PLUGIN_NOT_FOUND');
}

/** What plugins of this server share: no plugins. */
const SHARED_FOLDERS: ReadonlySet<string> = new Set([
  'dns-lists',
  'mailauth',
  'reports',
  'reverse-dns',
  'sender-rewriting',
]);

const PLUGIN_FILE = /^([\w-]+)\.(?:m?js|ts)$/;

/** Names of the plugins in `dir` and in the folders directly below it. A folder with an index is one plugin. */
export function pluginNames(dir: string, prefix = ''): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(join(dir, prefix), { withFileTypes: true });
  } catch {
    return [];
  }
  const isPlugin = entries.some(({ name }) => PLUGIN_FILE.exec(name)?.[1] === 'index');
  if (isPlugin && prefix !== '') return [prefix.slice(0, -1)];
  return entries.flatMap((entry) => {
    if (entry.isDirectory()) {
      if (prefix === '' && SHARED_FOLDERS.has(entry.name) && resolve(dir) === OWN_DIRECTORY) return [];
      const folder = `${prefix}${entry.name}/`;
      const below = pluginNames(dir, folder);
      // Below a folder of plugins, a folder without an index holds what its neighbours share.
      return prefix === '' ? below : below.filter((name) => `${name}/` === folder);
    }
    const name = PLUGIN_FILE.exec(entry.name)?.[1];
    return name === undefined ? [] : [prefix + name];
  });
}

/** A directory that is missing or may not be read holds no plugin; the message lists it among those searched. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
