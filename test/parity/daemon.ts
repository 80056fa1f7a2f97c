import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { tailOf } from './scratch.ts';

export interface DaemonCommand {
  readonly name: string;
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly port: number;
  readonly log: string;
}

/** A daemon that did not come up, with the end of its log. */
export class StartError extends Error {
  constructor(name: string, problem: string, log: string) {
    super(`${name} ${problem}:\n${tailOf(log, 15)}`);
    this.name = 'StartError';
  }
}

/** A mail daemon that was started and listens. */
export interface RunningDaemon {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Process groups that were started and not yet stopped. */
const running = new Set<number>();

/** Ends everything that was started, at once: for a comparison that is itself being ended. */
export function killRunning(): void {
  for (const pid of running) signalGroup(pid, 'SIGKILL');
}

const START_PATIENCE_MS = 20_000;
const STOP_PATIENCE_MS = 5_000;

/** A loopback port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a daemon and resolves once its port listens; rejects with the end of its log if it ends before. */
export async function startDaemon(command: DaemonCommand): Promise<RunningDaemon> {
  const log = openSync(command.log, 'a');
  const child = spawn(command.program, command.words, {
    cwd: command.directory,
    env: { ...command.environment },
    stdio: ['ignore', log, log],
    // A process group of its own: forked children go down with it.
    detached: true,
  });
  closeSync(log);
  if (child.pid !== undefined) running.add(child.pid);
  const failure = new Promise<never>((_, reject) => child.once('error', reject));
  failure.catch(() => undefined);
  await Promise.race([failure, untilListening(child, command)]);
  const pid = child.pid!;
  return { port: command.port, pid, stop: () => stop(child, pid) };
}

async function untilListening(child: ChildProcess, command: DaemonCommand): Promise<void> {
  const deadline = performance.now() + START_PATIENCE_MS;
  while (!isListening(command.port)) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() > deadline) {
      if (!hasEnded && child.pid !== undefined) await stop(child, child.pid);
      throw new StartError(command.name, hasEnded ? 'ended' : 'does not listen', command.log);
    }
    await wait(30);
  }
}

/** Looks the port up in the kernel's table: to connect would already be a session. */
function isListening(port: number): boolean {
  const listening = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F:]+ 0A `,
    'm',
  );
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((table) => {
    try {
      return listening.test(readFileSync(table, 'latin1'));
    } catch {
      return false;
    }
  });
}

async function stop(child: ChildProcess, pid: number): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    signalGroup(pid, 'SIGTERM');
    const patience = new AbortController();
    await Promise.race([
      gone,
      wait(STOP_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
  }
  signalGroup(pid, 'SIGKILL');
  running.delete(pid);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: nobody of the group is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
