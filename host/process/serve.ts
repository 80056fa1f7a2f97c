/** Runs the daemon the way its options say: alone, as a primary with workers, or as one of those workers. */

import cluster from 'node:cluster';
import { checkDescriptors, PassedSockets } from '../intake/passed-sockets.ts';
import type { DaemonLoader } from './daemon.ts';
import { heldSignals } from './held-signals.ts';
import { isForOneClient, serveOneClient } from './one-client.ts';
import { PidFile } from './pid-file.ts';
import { servePrimary } from './primary.ts';
import { checkUser, refuseTacitRoot } from './privileges.ts';
import type { ServeOptions, Terminal } from './serve-options.ts';
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
  if (cluster.isWorker)
    return runWorker(listenBy(PassedSockets.takeFromPrimary(process.env), options), loader);
  const passed = PassedSockets.take(process.env);
  refuseTacitRoot(options.user);
  if (options.user !== undefined) checkUser(options.user);
  const pidFile = options.pidFile === undefined ? undefined : PidFile.claim(options.pidFile);
  process.once('exit', () => pidFile?.remove());
  const resolved = listenBy(passed, options);
  checkDescriptors(resolved.listen);
  for (const socket of passed.unusedBy(resolved.listen))
    terminal.err(`nobody listens on ${socket}, which was passed: clients wait there for ever`);
  await loader.clearStaleSockets(resolved.listen);
  return options.workers === 1
    ? serveAlone(resolved, loader, terminal)
    : servePrimary(resolved, terminal, passed.forWorkers());
}

function listenBy(passed: PassedSockets, options: ServeOptions): ServeOptions {
  return { ...options, listen: passed.resolve(options.listen, options.isListenTacit === true) };
}
