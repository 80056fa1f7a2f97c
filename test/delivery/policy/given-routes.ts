/** Routes over a DNS of the test. */

import { onTestFinished } from 'vitest';
import { MailRoutes, type RouteOptions, type SenderWish } from '../../../plugins/queue/mx/mail-routes.ts';
import { isReachable } from '../../../bindings/lists/client-ranges.ts';
import { parseStsPolicy } from '../../../plugins/queue/mx/sts-policy.ts';
import { asking } from '../../dns/asking.ts';
import { ZoneServer, type Said, type Zone } from '../../dns/zone-server.ts';
import { keptLog } from '../mail-object.ts';
import { PolicyCounts } from './policy-counts.ts';

export async function given(zone: Zone, sts?: string, options: Partial<RouteOptions> = {}) {
  const server = await ZoneServer.start(zone);
  onTestFinished(() => server.close());
  const counters = new PolicyCounts();
  const log = keptLog();
  const policy = sts === undefined ? undefined : parseStsPolicy(sts);
  const routes = new MailRoutes({
    dns: asking([server.resolver()], { attempts: 1, timeoutMs: 200 }),
    sts: { policyFor: () => Promise.resolve(policy) },
    isDaneUsed: true,
    count: counters.count,
    isOwn: (name) => name === 'us.example',
    mayReach: isReachable,
    random: () => 0.5,
    now: () => Date.now(),
    port: 25,
    authorities: undefined,
    minimumVersion: undefined,
    log,
    ...options,
  });
  return { routes, server, counters, log };
}

/** Where mail for a.example goes, as `NAME ADDRESS LEVEL`, or what its recipients are told. */
export async function routeOf(
  zone: Zone,
  sts?: string,
  wish?: SenderWish,
  domain = 'a.example',
): Promise<string[]> {
  const { routes } = await given(zone, sts);
  const route = await routes.routeTo(domain, wish);
  if (route.kind !== 'hosts') return [`${route.kind} ${route.reply.code} ${route.reply.status ?? ''}`];
  return route.hosts.map(({ name, address = '', tls }) => `${name} ${address} ${tls?.level ?? ''}`);
}

export const SECURE = { isSecure: true } as const;
export const FAILS: Said = { code: 2 };
export const mx = (...hosts: string[]): Said => ({ records: hosts.map((host) => ['MX a.example', host]) });
export const a = (name: string, ...addresses: string[]): Said => ({
  records: addresses.map((address) => [`A ${name}`, address]),
});
/** One host with one address. */
export const PLAIN: Zone = {
  'MX a.example': mx('10 mx.a.example'),
  'A mx.a.example': a('mx.a.example', '11.0.0.1'),
};
