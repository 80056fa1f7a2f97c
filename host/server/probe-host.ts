/** What sessions run under that a proxy opens for itself, to see whether the daemon is well. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { HookRunner } from '../hooks/runner.ts';
import { Logger } from '../observe/logger.ts';
import { noReverseLookup } from '../dns/reverse-lookup.ts';
import { queuedRoute } from '../session/message-route.ts';
import type { SessionHost } from '../session/session-host.ts';

const noLog = new Logger(LogLevel.EMERG, () => undefined);
const noHooks = new HookRunner([], noLog);

/**
 * No plugin is asked, nothing is logged, and no name is looked up: a load balancer asks every few seconds. Settings and limits
 * are those of `runtime`; mail has no recipient that anybody accepts.
 */
export function probeHost(runtime: SessionHost): SessionHost {
  return {
    core: runtime.core,
    hooks: noHooks,
    logger: noLog,
    printer: runtime.printer,
    deadlines: runtime.deadlines,
    memory: runtime.memory,
    turns: runtime.turns,
    reverseLookup: noReverseLookup,
    version: runtime.version,
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
    openRoute: () => queuedRoute,
    leave: (session) => runtime.leave(session),
  };
}
