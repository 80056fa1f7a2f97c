/** The services plugins receive in their context, over the real system. */

import { loadavg } from 'node:os';
import type { Clock, Services } from '../../bindings/plugin/services.ts';
import { webClient } from '../http/web-client.ts';
import { makeLogs, type ClosableLogs } from '../observe/log-outputs.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { SystemDns } from '../dns/system-dns.ts';
import { chooseResolvers, type TrustedResolver } from '../dns/trusted-resolvers.ts';
import type { SettingValues, Settings } from '../settings/settings.ts';
import { SystemFiles } from './files.ts';
import { connect } from '../connect/connect.ts';
import { requirePackage } from '../package/optional-package.ts';
import { localTime } from './local-time.ts';
import { workers } from '../workers/thread-pool.ts';
import { programs } from '../programs/programs.ts';

export const systemClock: Clock = { now: () => Date.now() };

const trustedResolvers = ({
  mxResolvers,
  mxTrustedResolvers,
}: Pick<SettingValues, 'mxResolvers' | 'mxTrustedResolvers'>): readonly TrustedResolver[] =>
  chooseResolvers(mxResolvers, (address) => mxTrustedResolvers.has(address));

/** All but TLS and the store, which depend on the settings, outlets, which depend on who asks, and spools, which outlive a reload. */
export function makeServices(
  host: string,
  settings: Pick<Settings, 'current'>,
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
    dns: new SystemDns({ trustedResolvers: () => trustedResolvers(settings.current) }),
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
