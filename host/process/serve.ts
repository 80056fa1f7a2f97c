/** Runs the daemon the way its options say: alone, as a primary with workers, as one of those workers, or in the background. */

import cluster from 'node:cluster';
import { inheritedSockets } from '../intake/inherited-sockets.ts';
import { checkDescriptors, PassedSockets } from '../intake/passed-sockets.ts';
import { environmentOfErrors } from '../observe/error-stream.ts';
import { runInBackground } from './background.ts';
import type { DaemonLoader } from './daemon.ts';
import { heldSignals } from './held-signals.ts';
import { isForOneClient, serveOneClient } from './one-client.ts';
import { parent } from './parent.ts';
import { PidFile } from './pid-file.ts';
import { servePrimary } from './primary.ts';
import { checkUser, refuseTacitRoot } from './privileges.ts';
import { readyLine, type ServeOptions, type Terminal } from './serve-options.ts';
import { serviceNotifier } from './service-notifier.ts';
import { serveAlone } from './single.ts';
import { runWorker } from './worker.ts';

/** Returns the exit code when the daemon has ended; throws what keeps it from starting. */
export async function serve(
  options: ServeOptions,
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  heldSignals.hold(process);
  if (isForOneClient(options)) return serveOneClient(options, loader, terminal);
  // A reader of the log who goes away must not take the daemon along.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  if (cluster.isWorker) return runWorker(asPrimarySays(options), loader);
  refuseTacitRoot(options.user);
  if (options.user !== undefined) checkUser(options.user);
  if (options.isDetached === true && parent.role === undefined) return runInBackground(options, terminal);
  const isSuccessor = parent.role === 'successor';
  serviceNotifier.begin({
    environment: process.env,
    pid: process.pid,
    // The descriptor is the supervisor's: processes that this program has started do not have it.
    readyDescriptor: parent.role === undefined ? options.readyDescriptor : undefined,
    complain: (problem) => terminal.err(problem),
  });
  inheritedSockets.receive(process.env, isSuccessor);
  const pidFile = openPidFile(options, isSuccessor);
  process.once('exit', () => pidFile?.remove());
  const passed = isSuccessor ? PassedSockets.takeFromOurs(process.env) : PassedSockets.take(process.env);
  const resolved = listenBy(passed, options);
  if (!isSuccessor) checkDescriptors(resolved.listen);
  for (const socket of passed.unusedBy(resolved.listen))
    terminal.err(`nobody listens on ${socket}, which was passed: clients wait there for ever`);
  await loader.clearStaleSockets(resolved.listen);
  const standing = {
    pidFile,
    environment: { ...passed.forOurs(), ...environmentOfErrors() },
    ready: async (addresses: readonly string[], isAlive?: () => boolean) => {
      serviceNotifier.ready(readyLine(addresses, options.workers), isAlive);
      if (isSuccessor) pidFile?.takeOver();
      for (const listen of inheritedSockets.closeRest()) terminal.err(`nobody listens on ${listen} any more`);
      await parent.ready(addresses);
    },
  };
  return options.workers === 1
    ? serveAlone(resolved, loader, terminal, standing)
    : servePrimary(resolved, terminal, standing);
}

function listenBy(passed: PassedSockets, options: ServeOptions): ServeOptions {
  return { ...options, listen: passed.resolve(options.listen, options.isListenTacit === true) };
}

/** Where workers listen is settled at the start of their primary: the file `listeners` may have changed since. */
function asPrimarySays(options: ServeOptions): ServeOptions {
  const sockets = inheritedSockets.receive(process.env, true);
  const passed = PassedSockets.takeFromOurs(process.env);
  return sockets.length === 0
    ? listenBy(passed, options)
    : { ...options, listen: sockets.map(({ listen }) => listen) };
}

function openPidFile({ pidFile }: ServeOptions, isSuccessor: boolean): PidFile | undefined {
  if (pidFile === undefined) return undefined;
  return isSuccessor ? PidFile.of(pidFile) : PidFile.claim(pidFile);
}
