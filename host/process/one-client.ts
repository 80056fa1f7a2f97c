/**
 * The process that serves one client, on descriptor 0: started by inetd, xinetd, tcpserver, tcpsvd or systemd for each connection.
 * It has no primary and no pid file, reads its configuration once, and ends with its client.
 */

import { writeSync } from 'node:fs';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { PassedSockets } from '../intake/passed-sockets.ts';
import { areErrorsLedAway, errorsToSyslog } from '../observe/error-stream.ts';
import { clientDescriptors, foundDescriptors } from '../package/client-descriptors.ts';
import { LocalLedger } from './connection-ledger.ts';
import { drainDaemon, type Daemon, type DaemonLoader } from './daemon.ts';
import { ExitCode, exitCodeOf } from './exit-code.ts';
import { FaultGuard, logOf } from './fault-guard.ts';
import { Heartbeat } from './heartbeat.ts';
import { heldSignals } from './held-signals.ts';
import { checkUser, dropPrivileges, refuseTacitRoot } from './privileges.ts';
import type { ServeOptions, Terminal } from './serve-options.ts';
import { SUPERVISOR_VARIABLES } from './service-notifier.ts';
import { DaemonSignals } from './signals.ts';

const isStdin = (spec: string): boolean => parseListen(spec).kind === 'stdin';

export const isForOneClient = ({ listen }: ServeOptions): boolean => listen.some(isStdin);

/** Before a reply could be printed: no configuration has been read. Temporary, as every fault of ours. RFC 5321 section 3.8. */
const NOT_NOW = '421 Service not available, closing transmission channel\r\n';

/**
 * Runs a program that may have a client on descriptor 0, also before it has read its own command line. Of what it throws the client
 * is told that it is to come back; a starter that has put the client on the standard error stream, too, finds the reason in syslog.
 */
export async function guardClient(run: () => Promise<number>): Promise<number> {
  if (foundDescriptors().isErrorHidden || areErrorsLedAway(process.env)) errorsToSyslog();
  try {
    return await run();
  } catch (error) {
    const client = foundDescriptors();
    if (client.isThere) tellClient(client.output);
    throw error;
  }
}

/** Returns the exit code when the client is gone; throws what keeps it from being served. */
export async function serveOneClient(
  options: ServeOptions,
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  if (clientDescriptors().isErrorHidden) errorsToSyslog();
  PassedSockets.take(process.env);
  // Of the starter's supervisor; it hears nothing of a client, and nothing from programs that plugins run.
  for (const name of SUPERVISOR_VARIABLES) Reflect.deleteProperty(process.env, name);
  if (options.listen.length > 1)
    throw new QpsmtpdError(
      'Q_USAGE',
      'stdin: is one client, and the process ends with it: no other listener',
    );
  refuseTacitRoot(options.user);
  if (options.user !== undefined) checkUser(options.user);
  dropPrivileges(options.user);
  return new OneClient(options, terminal).serve(loader);
}

function tellClient(descriptor: number): void {
  try {
    writeSync(descriptor, NOT_NOW);
  } catch {
    // It is gone, or it is no client but a listening socket.
  }
}

class OneClient {
  readonly #options: ServeOptions;
  readonly #terminal: Terminal;
  readonly #ended: Promise<number>;
  #end: (code: number) => void = () => undefined;
  #daemon: Daemon | undefined;
  #isStopping = false;
  readonly #signals: DaemonSignals;

  constructor(options: ServeOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#signals = new DaemonSignals({
      stop: () => this.#stop(ExitCode.OK),
      stopNow: () => this.#end(ExitCode.OK),
      reload: () => this.#note('SIGHUP ignored: the process serves one client, and ends with it'),
      restart: () => this.#note('SIGUSR2 ignored: the process serves one client, and ends with it'),
      reopenLogs: () => this.#daemon?.reopenLogs(),
      note: (text) => this.#note(text),
    });
  }

  async serve(loader: DaemonLoader): Promise<number> {
    heldSignals.deliverTo((signal) => this.#signals.receive(signal));
    await Promise.race([this.#start(loader), this.#ended]);
    return this.#ended;
  }

  async #start(loader: DaemonLoader): Promise<void> {
    // How many clients there are at a time is for the starter to say, which starts a process for each.
    const daemon = await loader.load({
      ...this.#options,
      maxConnections: 0,
      workers: 1,
      ledger: new LocalLedger(undefined),
      handsOn: false,
      onListenerLost: (error) => this.#stop(exitCodeOf(error)),
      onListenerEnded: () => this.#stop(ExitCode.OK),
    });
    this.#daemon = daemon;
    new FaultGuard(logOf(daemon), () => this.#stop(ExitCode.SOFTWARE)).watch(process);
    await daemon.listen();
    new Heartbeat(logOf(daemon)).follow(daemon.workerTimeoutMs);
    this.#signals.started();
  }

  /** Its queue plugins may still be at work for a client that is gone. */
  #stop(code: number): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#signals.stopping();
    if (this.#daemon === undefined) this.#end(code);
    else void drainDaemon(this.#daemon, this.#options.graceMs, code).then((outcome) => this.#end(outcome));
  }

  #note(text: string): void {
    if (this.#daemon === undefined) this.#terminal.err(text);
    else this.#daemon.logger.log(LogLevel.NOTICE, text);
  }
}
