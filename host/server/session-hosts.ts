/** What sessions run under that differ from all others: those of a proxy that asks for our health, and those of LMTP. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { HookRunner } from '../hooks/runner.ts';
import { Logger } from '../observe/logger.ts';
import { noReverseLookup } from '../dns/reverse-lookup.ts';
import { ReplyPrinter } from '../replies/reply.ts';
import { smtpDialogue } from '../session/dialogue.ts';
import { queuedRoute } from '../session/message-route.ts';
import type { SessionHost } from '../session/session-host.ts';

const noLog = new Logger(LogLevel.EMERG, () => undefined);
const noHooks = new HookRunner([], noLog);

/**
 * No plugin is asked, nothing is logged, and no name is looked up: a load balancer asks every few seconds. Settings and limits
 * are those of `runtime`; mail has no recipient that anybody accepts.
 */
export const probeHost = (runtime: SessionHost): SessionHost =>
  hostLike(runtime, {
    hooks: noHooks,
    logger: noLog,
    reverseLookup: noReverseLookup,
    openRoute: () => queuedRoute,
    openDialogue: () => smtpDialogue,
  });

const enhanced = new ReplyPrinter('enhanced');

const lmtpHosts = new WeakMap<SessionHost, SessionHost>();

/** All replies carry status codes, whatever `reply_style` says: LMTP has to offer ENHANCEDSTATUSCODES. RFC 2033 section 5. */
export function lmtpHost(runtime: SessionHost): SessionHost {
  let host = lmtpHosts.get(runtime);
  if (host === undefined) lmtpHosts.set(runtime, (host = hostLike(runtime, { printer: enhanced })));
  return host;
}

type Parts = Pick<
  SessionHost,
  'hooks' | 'logger' | 'printer' | 'reverseLookup' | 'openRoute' | 'openDialogue'
>;

/** What changes while a session goes on is asked of `runtime` each time. */
function hostLike(runtime: SessionHost, parts: Partial<Parts>): SessionHost {
  const { core, hooks, logger, printer, deadlines, memory, turns, reverseLookup, version } = runtime;
  return {
    ...{ core, hooks, logger, printer, deadlines, memory, turns, reverseLookup, version },
    openRoute: () => runtime.openRoute(),
    openDialogue: () => runtime.openDialogue(),
    ...parts,
    get settings() {
      return runtime.settings;
    },
    get tls() {
      return runtime.tls;
    },
    get isDraining() {
      return runtime.isDraining;
    },
    date: () => runtime.date(),
    newMessage: () => runtime.newMessage(),
    leave: (session) => runtime.leave(session),
  };
}
