/** A resolver of a test over real sockets, which ends with the test and has to leave nothing behind. */

import { expect, onTestFinished } from 'vitest';
import { loadCore } from '../../bindings/core.ts';
import type { ServerAddress } from '../../host/dns/server-addresses.ts';
import { StubResolver, type ServerList, type StubResolverOptions } from '../../host/dns/stub-resolver.ts';

export const { core } = loadCore();

/** Nothing is asked twice because the machine is slow, unless the test wants less patience. */
export type AskingOptions = Partial<StubResolverOptions> & Partial<Omit<ServerList, 'servers'>>;

export function asking(
  servers: readonly ServerAddress[],
  { attemptMs = 60_000, attempts = 2, ...options }: AskingOptions = {},
): StubResolver {
  const list: ServerList = { servers, attemptMs, attempts };
  const dns = new StubResolver({
    core,
    serverList: () => list,
    timeoutMs: 60_000,
    cacheOctets: 1_048_576,
    log: () => undefined,
    ...options,
  });
  onTestFinished(() => {
    dns.close();
    expectNothingOpen(dns);
    expect(dns.counts.sockets).toBe(0);
  });
  return dns;
}

/** Neither a question nor what belongs to one is left; sockets may wait for the next one. */
export function expectNothingOpen(dns: StubResolver): void {
  expect(dns.counts).toMatchObject({ lookups: 0, sent: 0, fresh: 0, line: 0, connections: 0, waiting: 0 });
}
