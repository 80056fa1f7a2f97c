/** The interface between the processes and the SMTP server they run. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import type { CheckNotice } from '../hooks/plugin-checks.ts';
import type { PluginDescription } from '../hooks/plugin-description.ts';
import type { HeldSocket } from '../intake/inherited-sockets.ts';
import type { Logger } from '../observe/logger.ts';
import type { ConnectionLedger } from './connection-ledger.ts';
import { ExitCode, explain } from './exit-code.ts';

export type { PluginDescription };

export interface DaemonOptions {
  /** Folder of the configuration; undefined: QPSMTPD_CONFIG and the fallbacks. */
  readonly configDir?: string | undefined;
  /** Listen specs such as `tcp://127.0.0.1:2525`. */
  readonly listen: readonly string[];
  /** Connections this process serves at a time; 0: no limit; undefined: as many as `memory_budget` has room for. */
  readonly maxConnections?: number | undefined;
  /** Processes that share the machine, this one included. */
  readonly workers?: number | undefined;
  /** Connections of one address at a time, for plugins that want to know; the ledger enforces it. */
  readonly maxFromIp?: number | undefined;
  /** Asked for every connection, in all processes together; undefined: everybody is let in. */
  readonly ledger?: ConnectionLedger | undefined;
  /** Called when a listener is gone and cannot be opened again: this process should end and be replaced. */
  readonly onListenerLost?: ((error: Error) => void) | undefined;
  /** Called when the client of `stdin:` is gone. */
  readonly onListenerEnded?: (() => void) | undefined;
  /** False: spools take messages in, and leave it to other processes to hand them on. */
  readonly handsOn?: boolean | undefined;
  /** Configuration files given in memory instead of on disk. */
  readonly settings?: ReadonlyMap<string, readonly string[]> | undefined;
  /** Services that are loaded though no listener names them. */
  readonly services?: readonly string[] | undefined;
  /** Only to see what a start would do: nothing is made, and what is wrong is noted there instead of thrown. */
  readonly rehearsal?: Rehearsal | undefined;
}

/** What one service is made of. */
export interface ServiceDescription {
  /** Undefined: the plain configuration, of listeners without a service. */
  readonly service: string | undefined;
  /** In the order in which their hooks run. */
  readonly plugins: readonly PluginDescription[];
  /** Lines of plugins that are in the wrong order, with what to move. */
  readonly orderFaults: readonly string[];
  /** Settings that differ from the defaults. */
  readonly settings: readonly { readonly name: string; readonly value: string }[];
  /** What plugins find while they are asked. Throws a `ConfigError`, or an `AggregateError` of several. */
  lookAround(): Promise<readonly CheckNotice[]>;
}

/** The report of `check` on a configuration that would start. */
export interface DaemonDescription {
  /** The plain one first, if there is one. */
  readonly services: readonly ServiceDescription[];
  /** Configuration files that have no effect, and why; looked for on the disk while they are asked for. */
  unreadFiles(): readonly string[];
  /** What limits of the system are too small for. */
  readonly limits?: readonly string[];
}

/** Sockets that are bound and serve nobody yet; clients wait until the daemon they are given to listens. */
export interface BoundSockets {
  readonly addresses: readonly string[];
}

/** A loaded SMTP server. */
export interface Daemon {
  readonly logger: Logger;
  /** How long its process may be stuck before it is killed; 0: it is not watched. A reload may change it. */
  readonly workerTimeoutMs: number;
  /** Opens the sockets (or takes over those bound before) and returns their addresses as listen specs. */
  listen(): Promise<readonly string[]>;
  /** New configuration for new connections; on an error the old one goes on serving and the error is thrown. */
  reload(): Promise<void>;
  /** Closes the log files, which were renamed; the next line opens them anew. */
  reopenLogs(): void;
  /** It will stop before long: proxies that ask for its health are told so, and send their clients elsewhere. */
  announceStop(): void;
  /** The listening sockets, for a process that is to take the place of this one; undefined: they cannot be passed on. */
  sockets(): readonly HeldSocket[] | undefined;
  /** Stops accepting, lets sessions end, and after `graceMs` answers 421 to those that are idle and closes the rest. */
  drain(graceMs: number, manner?: DrainManner): Promise<void>;
  describe(): DaemonDescription;
}

export interface DrainManner {
  /** Idle sessions are told 421 at once, others after their transaction: what serves here is not to be trusted any more. */
  readonly isPrompt?: boolean;
  /** Another process has the listening sockets as well: they go on without this one. */
  readonly arePassedOn?: boolean;
}

export interface DaemonLoader {
  /** Binds the sockets only: the one step that may need root. Throws `Q_LISTEN`. */
  bind(options: DaemonOptions): Promise<BoundSockets>;
  /**
   * Reads the configuration and loads the plugins; opens no socket. Throws a `ConfigError`, or an `AggregateError` of
   * several.
   */
  load(options: DaemonOptions, bound?: BoundSockets): Promise<Daemon>;
  /** Removes Unix sockets without a listener. Asked once, before anything listens. */
  clearStaleSockets(listen: readonly string[]): Promise<void>;
}

/** A daemon closes what is left at the end of the grace period; one that is not done so long after that is given up. */
const GIVE_UP_AFTER_GRACE_MS = 3_000;

/**
 * Drains the daemon; returns the exit code: `code`, or `SOFTWARE` if draining failed or did not end. One that ends for a fault
 * has no time to wait for idle sessions: another one could serve meanwhile.
 */
export async function drainDaemon(
  daemon: Daemon,
  graceMs: number,
  code: number,
  manner: DrainManner = { isPrompt: code !== ExitCode.OK },
): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(new Error('it did not end with the grace period'));
    timer = setTimeout(giveUp, graceMs + GIVE_UP_AFTER_GRACE_MS);
  });
  try {
    await Promise.race([daemon.drain(graceMs, manner), overdue]);
    return code;
  } catch (error) {
    daemon.logger.log(LogLevel.CRIT, `draining failed: ${explain(error)}`);
    return ExitCode.SOFTWARE;
  } finally {
    clearTimeout(timer);
  }
}
