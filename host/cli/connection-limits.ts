/** How many connections the configuration allows, for what the command line leaves open. */

import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { Settings } from '../settings/settings.ts';
import { silence } from '../observe/logger.ts';

/** 0: no limit. */
export interface ConnectionLimits {
  /** Undefined: what there is memory for. */
  readonly maxConnections: number | undefined;
  readonly maxFromIp: number;
}

export const NO_CONNECTION_LIMITS: ConnectionLimits = { maxConnections: undefined, maxFromIp: 0 };

/**
 * Reads `max_connections` and `max_from_ip`, before the processes that are held to them start. Reports no mistakes: the
 * loading of the configuration refuses to start with them.
 */
export function readConnectionLimits(configDir: string | undefined): ConnectionLimits {
  const directories = openSearchPath(configDir);
  const config = new ConfigDirectory({ directories, log: silence, watch: false });
  try {
    return new Settings(config, silence).current;
  } finally {
    config.close();
  }
}
