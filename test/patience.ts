/** How long tests wait, on machines that do other things besides: events end a wait, and only a hang lasts as long as this. */

import { expect } from 'vitest';

export const PATIENCE_MS = 60_000;

/** For `vi.waitFor`; `expect.poll` has it from vitest.config.ts. */
export const PATIENCE = { timeout: PATIENCE_MS, interval: 20 };

/** Waits for a fact that other events bring about. */
export const until = (isTrue: () => boolean, what?: string): Promise<void> =>
  expect
    .poll(isTrue, { timeout: PATIENCE_MS, interval: 5, message: what ?? 'what is waited for' })
    .toBe(true);

/** Milliseconds of processor time this process has had: for bounds on work, whatever else the machine does. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
