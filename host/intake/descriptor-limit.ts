/** How many clients the descriptors of this process are enough for. */

import { readFileSync } from 'node:fs';

/**
 * Descriptors of the process itself (event loop, channel to the primary, watched files, logs, stores), clients that are
 * being turned away included; about thirty were counted.
 */
const OWN_DESCRIPTORS = 48;
/** The others are for what clients need besides their socket: spool files, deliveries, DNS, connections to next hops. */
const SHARE_OF_CLIENTS = 0.75;
/** With so few left it is too late to accept: the kernel would hand out a descriptor that the next file needs. */
export const LAST_DESCRIPTORS = 12;

let limit: number | undefined;

/** RLIMIT_NOFILE of this process, read once; `Infinity` where there is none or it cannot be read. */
export function descriptorLimit(): number {
  return (limit ??= readLimit());
}

/** Clients that may be connected at a time, so that none is accepted whom there is no descriptor for; at least one. */
export function clientsByDescriptors(descriptors = descriptorLimit()): number {
  return Math.max(1, Math.floor((descriptors - OWN_DESCRIPTORS) * SHARE_OF_CLIENTS));
}

function readLimit(): number {
  try {
    const line = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (line !== null) return asNumber(line[1]);
  } catch {
    // Not Linux: the report knows, but takes some milliseconds.
  }
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return asNumber(report.userLimits?.open_files?.soft);
}

function asNumber(value: unknown): number {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : Number.POSITIVE_INFINITY;
}
