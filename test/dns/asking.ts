/** A resolver of a test over real sockets, which ends with the test and has to leave nothing behind. */

import { expect, onTestFinished } from 'vitest';
import { coreOfProcess } from '../../bindings/core.ts';
import { ProcessDns, type DnsSettings, type ServiceDns } from '../../host/dns/process-dns.ts';
import { NO_RANGES } from '../../host/config/address-ranges.ts';
import type { ServerAddress } from '../../host/dns/server-addresses.ts';
import { StubResolver, type ServerList, type StubResolverOptions } from '../../host/dns/stub-resolver.ts';

export const { core } = coreOfProcess();

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

/** `services.dns` under some settings. */
export function askingService(settings: Partial<DnsSettings>, resolvConf?: string): ServiceDns {
  const dns = new ProcessDns({ core: () => core, log: () => undefined, resolvConf });
  onTestFinished(() => dns.close());
  return dns.under(() => ({
    dnsServers: [],
    mxResolvers: [],
    mxTrustedResolvers: NO_RANGES,
    dnsTimeoutMs: 60_000,
    dnsAttempts: undefined,
    dnsCacheOctets: 1_048_576,
    dnsClient: 'own',
    ...settings,
  }));
}

/** Neither a question nor what belongs to one is left; sockets may wait for the next one. */
export function expectNothingOpen(dns: StubResolver): void {
  expect(dns.counts).toMatchObject({ lookups: 0, sent: 0, fresh: 0, line: 0, connections: 0, waiting: 0 });
}
