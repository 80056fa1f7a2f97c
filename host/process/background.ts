/** `--detach`: the daemon goes on in the background, and the program that was called ends with what became of the start. */

import { setTimeout as wait } from 'node:timers/promises';
import { heldSignals } from './held-signals.ts';
import { ExitCode } from './exit-code.ts';
import { awaitReady, launch } from './launch.ts';

/** How long the last lines of a daemon that is ready are waited for. */
const LAST_LINES_MS = 2_000;

/** Returns 0 as soon as the daemon is ready, else the exit code of the daemon, which has printed why. */
export async function runInBackground(): Promise<number> {
  const daemon = launch('background', { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], isDetached: true });
  // Whoever ends us before the daemon is ready wants no daemon.
  heldSignals.deliverTo((signal) => void daemon.kill(signal));
  daemon.stdout?.pipe(process.stdout);
  daemon.stderr?.pipe(process.stderr);
  // With the pipes: what the daemon has written before it let go of them is printed.
  const closed = new Promise((resolve) => daemon.once('close', resolve));
  const failure = await awaitReady(daemon);
  if (failure === undefined) {
    await Promise.race([Promise.all([ended(daemon.stdout), ended(daemon.stderr)]), wait(LAST_LINES_MS)]);
    return ExitCode.OK;
  }
  await closed;
  return failure.exitCode;
}

function ended(stream: NodeJS.ReadableStream | null): Promise<void> {
  return new Promise((resolve) => {
    if (stream === null) resolve();
    else stream.once('end', resolve);
  });
}
