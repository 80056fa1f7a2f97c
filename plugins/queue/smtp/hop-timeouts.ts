import type { HopTimeouts } from './hop-options.ts';

const MINUTE_MS = 60_000;

/** The least that RFC 5321 section 4.5.3.2 allows; the times without a section are ours. */
export const DEFAULT_TIMEOUTS: HopTimeouts = Object.freeze({
  connectMs: 30_000,
  /** Section 4.5.3.2.1. */
  greetingMs: 5 * MINUTE_MS,
  helloMs: 5 * MINUTE_MS,
  /** Sections 4.5.3.2.2 and 4.5.3.2.3. */
  mailMs: 5 * MINUTE_MS,
  rcptMs: 5 * MINUTE_MS,
  /** Sections 4.5.3.2.4 to 4.5.3.2.6. */
  dataMs: 2 * MINUTE_MS,
  blockMs: 3 * MINUTE_MS,
  endMs: 10 * MINUTE_MS,
});
