/** How many connections the configuration allows, for what the command line leaves open. */

import { fileURLToPath } from 'node:url';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { ConfigDirectory } from '../config/config-directory.ts';
import { searchPath } from '../config/search-path.ts';
import { Settings } from '../config/settings.ts';

/** 0: no limit. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxFromIp: number;
}

export const NO_CONNECTION_LIMITS: ConnectionLimits = { maxConnections: 0, maxFromIp: 0 };

const nothing = (): void => undefined;
const silent: Log = {
  writes: () => false,
  at: nothing,
  error: nothing,
  warn: nothing,
  notice: nothing,
  info: nothing,
  debug: nothing,
};

/**
 * Reads `max_connections` and `max_from_ip`, before the processes that are held to them start. Says nothing of mistakes:
 * who loads the configuration afterwards refuses to start with them.
 */
export function readConnectionLimits(configDir: string | undefined): ConnectionLimits {
  const programDir = fileURLToPath(new URL('../..', import.meta.url));
  const directories = searchPath({ configDir, env: process.env, programDir });
  const config = new ConfigDirectory({ directories, log: silent, watch: false });
  try {
    return new Settings(config, silent).current;
  } finally {
    config.close();
  }
}
