/** The daemon under test: a process of its own with a configuration made for the run. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../places.ts';

export interface ServerProcess {
  readonly port: number;
  /** The most memory it has had resident so far, in MiB; undefined where the system does not say. */
  peakMiB(): number | undefined;
  stop(): Promise<void>;
}

/** The daemon as `npm run build:host` leaves it. */
const DAEMON = join(ROOT, 'dist', 'host', 'cli', 'qpsmtpd.js');
const PATIENCE_MS = 10_000;

/** Starts the daemon on a port of its own choice. `settings` are further configuration files. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-bench-'));
  const files = {
    me: 'mx.test',
    rcpthosts: 'example.test',
    plugins: 'rcpt_ok\nqueue/discard',
    spool_dir: join(folder, 'spool'),
    ...settings,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), `${text}\n`);
  const args = [
    'serve',
    '--config',
    folder,
    '--listen',
    'tcp://127.0.0.1:0',
    '--workers',
    '1',
    '--grace',
    '0',
    '--user',
    userInfo().username,
  ];
  const child = spawn(process.execPath, [DAEMON, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  process.once('exit', () => child.kill('SIGKILL'));
  try {
    const port = await portOf(child);
    return {
      port,
      peakMiB: () => readPeak(child.pid),
      stop: () => stop(child, exited).finally(removeFolder),
    };
  } catch (error) {
    child.kill('SIGKILL');
    removeFolder();
    throw error;
  }
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, PATIENCE_MS, new Error('the daemon did not start in time'));
    child.once('exit', (code) => reject(new Error(`the daemon ended at once, exit code ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const port = /listening on \S+:(\d+)/.exec(line)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

/** `VmHWM`, the high-water mark of the resident set. */
function readPeak(pid: number | undefined): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1_024;
  } catch {
    return undefined;
  }
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  const cutOff = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(cutOff);
}
