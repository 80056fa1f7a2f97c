/** The store of a plugin, as a configuration directory has it, for the commands that look into it. */

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../../bindings/plugin/store.ts';
import { Settings } from '../settings/settings.ts';
import { becomeOwnerOf } from '../process/privileges.ts';
import { systemClock } from '../services/services.ts';
import { STORE_FILE } from '../store/store-directory.ts';
import { StoreError } from '../store/backend.ts';
import {
  parseStoreLocation,
  printStoreLocation,
  storeLocationOf,
  type StoreLocation,
} from '../settings/store-settings.ts';
import { ProcessStores } from '../store/stores.ts';
import { openCommandConfig } from './service-option.ts';
import { silence } from '../observe/logger.ts';

export interface ConfiguredStore {
  readonly store: Store;
  /** Where it is, fit to be shown. */
  readonly place: string;
  close(): Promise<void>;
}

/**
 * Opens the store `name` where `plugin` has it, in the configuration of `service`. Throws a `StoreError` if there is nothing yet and it is not to be made: one that
 * a command made as the wrong user would keep the daemon from opening it. Root becomes the owner of the store.
 */
export function openConfiguredStore(
  name: string,
  plugin: string,
  configDir: string | undefined,
  { isMade = false, service }: { isMade?: boolean; service?: string | undefined } = {},
): ConfiguredStore {
  const location = locate(plugin, configDir, service);
  const place = printStoreLocation(location);
  if (location.kind === 'lmdb') {
    const { directory } = location;
    becomeOwnerOf(isMade && !existsSync(directory) ? dirname(directory) : directory);
    if (!isMade && !existsSync(join(directory, STORE_FILE))) {
      throw new StoreError(
        `there is no store in ${directory} yet (name the daemon's configuration with --config, and run this as the daemon's user)`,
      );
    }
  }
  const stores = new ProcessStores(systemClock);
  return { store: stores.under(location).open(name), place, close: () => stores.close() };
}

function locate(plugin: string, configDir: string | undefined, service: string | undefined): StoreLocation {
  const config = openCommandConfig(configDir, service);
  try {
    const settings = new Settings(config, silence);
    settings.check();
    const options = config
      .lines('plugins')
      .map((line) => line.split(/[ \t]+/))
      .find(([line = '']) => line.replace(/:\d+$/, '') === plugin);
    const own = ownPlace(options ?? []);
    if (own !== undefined) return parseStoreLocation(own);
    const { store, storeDirectory } = settings.current;
    const location = storeLocationOf(settings.current);
    const isUsual = store === undefined && storeDirectory === undefined && location.kind === 'lmdb';
    return isUsual ? { ...location, directory: daemonsOf(location.directory) } : location;
  } finally {
    config.close();
  }
}

/**
 * Without a configured place each user has a store of its own, and that of root is not the daemon's. Its owner is the user it
 * is named after: anybody may make a folder there in the name of another.
 */
function daemonsOf(directory: string): string {
  if (process.getuid?.() !== 0 || existsSync(directory) || !existsSync(dirname(directory))) return directory;
  const others = readdirSync(dirname(directory))
    .filter((name) => /^qpsmtpd-store-\d+$/.test(name))
    .map((name) => join(dirname(directory), name))
    .filter((path) => lstatSync(path).uid === Number(path.slice(path.lastIndexOf('-') + 1)))
    .filter((path) => existsSync(join(path, STORE_FILE)));
  if (others.length > 1) {
    throw new StoreError(
      `which store is the daemon's? There are ${others.join(' and ')} (run this as the daemon's user, or set store_dir)`,
    );
  }
  return others[0] ?? directory;
}

/** The options with which a plugin's line names a place of its own. */
function ownPlace(options: readonly string[]): string | undefined {
  const valueOf = (option: string): string | undefined => {
    const index = options.indexOf(option);
    return index === -1 ? undefined : options[index + 1];
  };
  const redis = valueOf('redis');
  if (redis !== undefined) return `redis://${redis.includes(':') ? redis : `${redis}:6379`}/0`;
  const directory = valueOf('db_dir');
  return directory === undefined ? undefined : `lmdb:${directory}`;
}
