/** Restarts while eight clients and a long session keep the daemon busy: none loses a session, and no message is lost. */

import { describe, expect, it } from 'vitest';
import { WAYS } from '../restarts/ways.ts';

describe.each([1, 2])('with %d processes that serve', (workers) => {
  it.each([...WAYS])('%s loses no session and no acknowledged message', async (_name, run) => {
    const { result, missing } = await run({ workers, rounds: 2, sessions: 40, graceSeconds: 3 });
    expect(result.lost).toEqual([]);
    expect(missing).toEqual([]);
    expect(result.sessions).toBeGreaterThan(60);
    expect(result.acknowledged.length).toBeGreaterThan(30);
  });
});
