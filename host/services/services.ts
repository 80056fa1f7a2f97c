/** The services plugins receive in their context, over the real system. */

import { loadavg } from 'node:os';
import type { Clock, Services } from '../../bindings/plugin/services.ts';
import { webClient } from '../http/web-client.ts';
import { makeLogs, type ClosableLogs } from '../observe/log-outputs.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import type { DnsService } from '../../bindings/plugin/resolver.ts';
import { SystemFiles } from './files.ts';
import { connect } from '../connect/connect.ts';
import { requirePackage } from '../package/optional-package.ts';
import { localTime } from './local-time.ts';
import { workers } from '../workers/thread-pool.ts';
import { programs } from '../programs/programs.ts';

export const systemClock: Clock = { now: () => Date.now() };

/** All but TLS and the store, which depend on the settings, outlets, which depend on who asks, and spools, which outlive a reload. */
export function makeServices(
  host: string,
  dns: DnsService,
  writeError: (line: string) => void,
  rehearsal?: Rehearsal,
): Omit<Services, 'tls' | 'store' | 'logs' | 'outlets' | 'spools'> & {
  readonly logs: ClosableLogs;
} {
  const files = new SystemFiles(systemClock, rehearsal);
  const random = (): number => Math.random();
  return {
    clock: systemClock,
    random,
    programs,
    connect,
    dns,
    files,
    system: {
      hostName: host,
      processId: process.pid,
      userId: process.geteuid!(),
      loadAverage: () => loadavg()[0]!,
      localTime,
      environment: (name) => process.env[name],
      optionalPackage: requirePackage,
    },
    logs: makeLogs(host, writeError, rehearsal),
    http: webClient,
    workers,
  };
}
