/** A configuration directory in memory, read by the same code as one on disk. */

import type { Stats } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { ConfigDirectory } from '../config/config-directory.ts';
import type { ConfigFile, ConfigFiles } from '../config/given-files.ts';
import type { FileSystem } from '../config/file-system.ts';

/** Constant databases by name, without `.cdb`, and their values by key. */
export type ConfigDatabases = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Where errors say that the files are. */
const DIRECTORY = '/config';

export interface MemoryConfigOptions {
  readonly files?: ConfigFiles | undefined;
  readonly databases?: ConfigDatabases | undefined;
  readonly hostName: string;
  readonly log: Log;
}

export class MemoryConfig extends ConfigDirectory {
  readonly #texts: Map<string, string>;
  readonly #databases: ConfigDatabases;

  constructor({ files = {}, databases = {}, hostName, log }: MemoryConfigOptions) {
    const texts = new Map(Object.entries(files).map(([name, file]) => [join(DIRECTORY, name), textOf(file)]));
    super({ directories: [DIRECTORY], files: fileSystemOf(texts), watch: false, hostName, log });
    this.#texts = texts;
    this.#databases = databases;
  }

  /** The operator has changed a file; undefined: removed it. Lists follow. */
  write(name: string, file: ConfigFile | undefined): void {
    if (file === undefined) this.#texts.delete(join(DIRECTORY, name));
    else this.#texts.set(join(DIRECTORY, name), textOf(file));
    this.reread();
  }

  override map(name: string, key: string): string | undefined {
    const database = this.#databases[name];
    return database !== undefined && Object.hasOwn(database, key) ? database[key] : super.map(name, key);
  }
}

const textOf = (file: ConfigFile): string => (Array.isArray(file) ? file.join('\n') : String(file));

function fileSystemOf(texts: ReadonlyMap<string, string>): FileSystem {
  const missing = (path: string): never => {
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  };
  return {
    readFile: (path) => Buffer.from(texts.get(path) ?? missing(path)),
    lstat(path) {
      const isFile = texts.has(path);
      const below = path === '/' ? path : `${path}/`;
      if (!isFile && ![...texts.keys(), DIRECTORY].some((each) => `${each}/`.startsWith(below)))
        return missing(path);
      return statsOf(isFile);
    },
    readlink: missing,
    readDirectory: () => [...texts.keys()].map((path) => path.slice(DIRECTORY.length + 1)),
    watch: () => ({ close: () => undefined }),
  };
}

const statsOf = (isFile: boolean): Stats =>
  ({ isFile: () => isFile, isDirectory: () => !isFile, isSymbolicLink: () => false }) as Stats;
