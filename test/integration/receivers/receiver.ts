/** A real mail server that a test delivers to: started by hand on loopback with a scratch folder, ended by its pid. */

import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const START_MS = 60_000;
const STOP_MS = 30_000;
const SETTLE_MS = 30_000;

export interface Receiver {
  /** On 127.0.0.1. */
  readonly port: number;
  /** A Unix socket with the same service, where the server has one. */
  readonly socket: string | undefined;
  readonly pid: number;
  /** The messages that have reached their mailboxes, with LF for line ends, once the server has nothing left to do. */
  messages(): Promise<Buffer[]>;
  /** What the server wrote to its log so far. */
  log(): string;
  /** Ends it at once, as a crash would; its folder stays for `messages` and `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the same folder. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** What the file of one server has to say about it. */
export interface ReceiverPlan {
  readonly program: string;
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly port: number;
  readonly socket?: string;
  /** Directories `new` below this one, at any depth, hold what was delivered. */
  readonly mailboxes: string;
  /** True as long as accepted messages may still be on their way into a mailbox. */
  isBusy(): Promise<boolean>;
  /** A log besides what the process prints. */
  readonly logFile?: string;
  readonly onStop?: () => void;
}

/** A folder that the server's own users may look into. */
export function scratchFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `qpsmtpd-${name}-`));
  chmodSync(folder, 0o755);
  return folder;
}

/** A port that nobody listens on now. */
/** Starts the server and resolves when it greets on its port. */
export async function startReceiver(plan: ReceiverPlan): Promise<Receiver> {
  const receiver = new ServerProcess(plan);
  try {
    await receiver.restart();
  } catch (error) {
    await receiver.stop();
    throw error;
  }
  return receiver;
}

class ServerProcess implements Receiver {
  readonly port: number;
  readonly socket: string | undefined;
  readonly #plan: ReceiverPlan;
  readonly #output: string;
  #child: ChildProcess | undefined;

  constructor(plan: ReceiverPlan) {
    this.#plan = plan;
    this.port = plan.port;
    this.socket = plan.socket;
    this.#output = join(plan.folder, 'output');
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  async restart(): Promise<void> {
    const { program, words, folder, environment } = this.#plan;
    const output = openSync(this.#output, 'a');
    // A group of its own, so that the end reaches the processes it makes.
    this.#child = spawn(program, words, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...environment },
    });
    this.#child.once('error', () => undefined);
    closeSync(output);
    const deadline = Date.now() + START_MS;
    while (!(await greets(this.port))) {
      if (this.#child.exitCode !== null || Date.now() > deadline)
        throw new Error(`${program} does not greet: ${this.log()}`);
      await pause(50);
    }
  }

  log(): string {
    const files = [this.#output, this.#plan.logFile ?? ''];
    return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
  }

  async messages(): Promise<Buffer[]> {
    const deadline = Date.now() + SETTLE_MS;
    // Twice: a file on its way from one folder of the queue to another may be in neither when that is read.
    for (let idle = 0; idle < 2;) {
      idle = (await this.#plan.isBusy()) ? 0 : idle + 1;
      if (Date.now() > deadline) throw new Error(`still delivering: ${this.log()}`);
      await pause(50);
    }
    return readMailboxes(this.#plan.mailboxes);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    this.#plan.onStop?.();
    rmSync(this.#plan.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const { pid } = child;
    const gone = (): boolean => !signalGroup(pid, 0);
    signalGroup(pid, signal);
    for (const deadline = Date.now() + STOP_MS; !gone() && Date.now() < deadline;) await pause(20);
    if (!gone()) signalGroup(pid, 'SIGKILL');
    this.#child = undefined;
  }
}

/** False if nobody of the group is left. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** True if somebody on the port says 220. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isGreeted: boolean): void => {
      socket.end('QUIT\r\n');
      socket.destroySoon();
      resolve(isGreeted);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('data', (octets) => end(octets.toString('latin1').startsWith('220')));
    socket.once('close', () => resolve(false));
  });
}

async function readMailboxes(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && /\/(new|cur)$/.test(entry.parentPath));
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name))));
}

/** How many files there are below `folder`, at any depth; those alone that have one of the bits `mode`, if it is given. */
export async function countFiles(folder: string, mode = 0): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  if (mode === 0) return files.length;
  const modes = await Promise.all(
    files.map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ mode }) => mode,
        () => 0,
      ),
    ),
  );
  return modes.filter((bits) => (bits & mode) !== 0).length;
}
