/** The version of this package, as greeting and Received show it. */

import { readFileSync } from 'node:fs';

/** The source tree has package.json one folder up, the build two. */
function readVersion(): string {
  for (const path of ['../../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8');
      const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown };
      if (name === 'qpsmtpd' && typeof version === 'string') return version;
    } catch {
      // The next place may have it.
    }
  }
  return 'unknown';
}

export const version = readVersion();
