/** The version of this package, as greeting and Received show it. */

import { findPackageRoot, readManifest } from './package-root.ts';

/** A bundle of somebody else's has another manifest above it, or none. */
function readVersion(): string {
  try {
    const { name, version } = readManifest(findPackageRoot());
    return name === 'qpsmtpd' ? (version ?? 'unknown') : 'unknown';
  } catch {
    return 'unknown';
  }
}

export const version = readVersion();
