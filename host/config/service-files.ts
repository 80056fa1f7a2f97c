/** Files of services: `X.NAME` stands in for `X` where a listener says `service=NAME`. */

import { readdirSync } from 'node:fs';
import { ConfigError, type Place } from '../errors/error-classes.ts';
import { suggest } from '../../bindings/lists/nearest.ts';

const COPY_ENDINGS = 'bak|old|orig|save|sw[a-p]|dpkg-\\w+|rpm(?:save|new|orig)|ucf-\\w+|pac(?:new|save)';

/** Names of files that editors and packages leave beside the one they change. */
export const BACKUP = new RegExp(`^[.#]|~$|\\.(?:${COPY_ENDINGS})$`);

/** Endings that would make a backup or a constant database the file of a service are no names of services. */
export const SERVICE_NAME = new RegExp(`^(?!(?:cdb|${COPY_ENDINGS})$)[a-z][a-z0-9-]{0,31}$`);

/** Files looked at in one directory; one with more is not one of configuration. */
const MAX_FILES = 10_000;
const DATABASE = '.cdb';

export interface ServiceFile {
  /** The general file that it stands in for. */
  readonly base: string;
  readonly service: string;
}

/** `badmailfrom.submission` taken apart; undefined for a name that can belong to no service. */
export function splitServiceFile(name: string): ServiceFile | undefined {
  const ending = name.endsWith(DATABASE) ? DATABASE : '';
  const stem = name.slice(0, name.length - ending.length);
  const dot = stem.lastIndexOf('.');
  const service = stem.slice(dot + 1);
  if (dot < 1 || BACKUP.test(name) || !SERVICE_NAME.test(service)) return undefined;
  return { base: `${stem.slice(0, dot)}${ending}`, service };
}

/**
 * Throws for a service that has no file of its own, `place` being where a listener names it: its clients would meet the general
 * configuration, and whoever mistyped `submission` would have an open door.
 */
export function requireServiceFiles(
  service: string,
  place: Place,
  directories: readonly string[],
  given: Iterable<string> = [],
): void {
  const files = new Map<string, string[]>();
  for (const name of [...directories.flatMap(namesIn), ...given]) {
    const parts = splitServiceFile(name);
    if (parts !== undefined) files.set(parts.service, [...(files.get(parts.service) ?? []), name]);
  }
  if (files.has(service)) return;
  const withPlugins = [...files].filter(([, names]) => names.some((name) => name.startsWith('plugins.')));
  const others = withPlugins.map(([other]) => `plugins.${other}`);
  const known = others.length === 0 ? '' : `; there is ${others.join(', ')}`;
  throw new ConfigError(
    place,
    `service=${service}: no file belongs to this service${suggest(service, files.keys())}${known}`,
    `write plugins.${service}, or any other file X.${service} in place of X; or leave service= out`,
  );
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).slice(0, MAX_FILES);
  } catch {
    return [];
  }
}
