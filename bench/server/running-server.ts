/** Servers under test: each in a session of its own, on loopback, ended by pid. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { pidsOf } from './process-tree.ts';

/** How to start a server. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** File for its output; its end is shown if it does not start. */
  readonly log: string;
  readonly port: number;
}

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  /** EHLO keywords it offers. */
  readonly extensions: ReadonlySet<string>;
  stop(): Promise<void>;
}

const START_PATIENCE_MS = 30_000;
const STOP_PATIENCE_MS = 5_000;
const SHOWN_LOG_LINES = 3;
/** Sockets a server may hold: the idle workload needs as many as the system lets us have. */
const RAISE_LIMIT = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';

const running = new Set<number>();

/** Ends at once whatever still runs: for a run that is itself being ended. */
export function killServers(): void {
  for (const pid of running) signalTree(pid, 'SIGKILL');
}

/** A loopback port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server on one core, or on any if `core` is undefined; resolves once it answers EHLO. */
export async function startServer(launch: Launch, core: number | undefined): Promise<RunningServer> {
  const pin = core === undefined ? [] : ['taskset', '-c', String(core)];
  const log = openSync(launch.log, 'a');
  const child = spawn('sh', ['-c', RAISE_LIMIT, 'sh', ...pin, launch.program, ...launch.args], {
    cwd: launch.folder,
    env: {
      PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: launch.folder,
      ...launch.environment,
    },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${launch.program} cannot be started`);
  running.add(pid);
  const stop = (): Promise<void> => stopServer(child, pid);
  try {
    return { pid, port: launch.port, extensions: await untilReady(child, launch), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilReady(child: ChildProcess, { port, log, program }: Launch): Promise<ReadonlySet<string>> {
  const deadline = performance.now() + START_PATIENCE_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${program} ended instead of listening: ${tailOf(log)}`);
    }
    try {
      return await askExtensions(port);
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`${program} does not serve: ${String(error)}; ${tailOf(log)}`, { cause: error });
      }
      await wait(100);
    }
  }
}

/** The keywords of the reply to EHLO (RFC 5321 section 4.1.1.1). */
export async function askExtensions(port: number): Promise<ReadonlySet<string>> {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(5_000, () => socket.destroy(new Error('no reply to EHLO')));
  let text = '';
  try {
    let step = 0;
    for await (const chunk of socket) {
      text += (chunk as Buffer).latin1Slice();
      if (step === 0 && /^220 .*\r\n/m.test(text)) {
        step = 1;
        socket.write('EHLO probe.example.com\r\n');
      } else if (step === 1 && /^(250|5\d\d) .*\r\n$/m.test(text.slice(text.indexOf('\n') + 1))) {
        socket.end('QUIT\r\n');
        break;
      }
    }
  } finally {
    socket.destroy();
  }
  if (!/^250[ -]/m.test(text))
    throw new Error(`EHLO was answered with ${JSON.stringify(text.slice(0, 200))}`);
  return new Set(
    [...text.matchAll(/^250[ -]([A-Z0-9-]+)/gim)].slice(1).map(([, keyword]) => keyword!.toUpperCase()),
  );
}

async function stopServer(child: ChildProcess, pid: number): Promise<void> {
  const tree = pidsOf(pid);
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    process.kill(pid, 'SIGTERM');
    const patience = new AbortController();
    await Promise.race([gone, wait(STOP_PATIENCE_MS, undefined, patience).catch(() => undefined)]);
    patience.abort();
  }
  for (const member of tree) kill(member, 'SIGKILL');
  kill(-pid, 'SIGKILL');
  running.delete(pid);
}

function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const member of pidsOf(pid)) kill(member, signal);
  kill(-pid, signal);
}

/** Sends a signal to a process, or to a group if the number is negative; one that is gone is ignored. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function tailOf(log: string): string {
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-SHOWN_LOG_LINES).join(' / ');
}
