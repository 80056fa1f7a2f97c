import { describe } from 'vitest';

/**
 * `describe`, or a skip that says what is missing; where CI runs nothing may be missing. `missing` comes from the
 * `missing…` function of the server's file.
 */
export function describeWithReceiver(
  name: string,
  missing: string | undefined,
): typeof describe | typeof describe.skip {
  if (missing === undefined || process.env['CI'] === 'true') return describe;
  process.stderr.write(`skipped: ${name}: ${missing}\n`);
  return describe.skip;
}
