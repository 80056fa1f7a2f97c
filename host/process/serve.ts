/** Runs the daemon the way its options say: alone, as a primary with workers, or as one of those workers. */

import cluster from 'node:cluster';
import type { DaemonLoader } from './daemon.ts';
import { heldSignals } from './held-signals.ts';
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
  // A reader of the log who goes away must not take the daemon along.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  if (cluster.isWorker) return runWorker(options, loader);
  refuseTacitRoot(options.user);
  if (options.user !== undefined) checkUser(options.user);
  const pidFile = options.pidFile === undefined ? undefined : PidFile.claim(options.pidFile);
  process.once('exit', () => pidFile?.remove());
  await loader.clearStaleSockets(options.listen);
  return options.workers === 1 ? serveAlone(options, loader, terminal) : servePrimary(options, terminal);
}
