/** A program started by a test: its output line by line, its end, and clients to talk to it. */

import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/** Lines that can be awaited, also those that came before anybody asked. */
class Lines {
  readonly all: string[] = [];
  readonly #waiting: (() => void)[] = [];
  #isClosed = false;

  push(line: string): void {
    this.all.push(line);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** The first line, from line number `from` on, that matches. */
  async find(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.all.slice(from)) {
        const match = pattern.exec(line);
        if (match) return match;
      }
      if (this.#isClosed) throw new Error(`no line matches ${String(pattern)}:\n${this.all.join('\n')}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** For `serve`, which refuses to run as root unless it is told to: as the user that runs the tests. */
export const AS_OURSELVES: readonly string[] = ['--user', userInfo().username];

export interface RunOptions {
  readonly cwd?: string;
  readonly descriptors?: number;
  readonly shell?: string;
  readonly passed?: readonly number[];
}

export class RunningProgram {
  readonly out = new Lines();
  readonly err = new Lines();
  /** Also that of its output: other processes that write there have ended as well. */
  readonly ended: Promise<Ending>;
  readonly exited: Promise<unknown>;
  readonly #child: ChildProcess;

  /**
   * A `serve` without `--user` gets `AS_OURSELVES`. `descriptors`: how many files it may have open. `shell`: what a shell
   * does before it becomes the program. `passed`: descriptors of this process that it has as 3, 4, …
   */
  constructor(
    program: string,
    args: readonly string[],
    { cwd, descriptors, shell, passed = [] }: RunOptions = {},
  ) {
    const before = descriptors === undefined ? shell : `ulimit -n ${descriptors}`;
    const [command, first] =
      before === undefined
        ? [process.execPath, []]
        : ['/bin/sh', ['-c', `${before} && exec "$0" "$@"`, process.execPath]];
    const user = args.includes('serve') && !args.includes('--user') ? AS_OURSELVES : [];
    const child = spawn(command, [...first, program, ...args, ...user], {
      stdio: ['ignore', 'pipe', 'pipe', ...passed],
      cwd,
    }) as ChildProcessByStdio<null, Readable, Readable>;
    this.#child = child;
    for (const [stream, lines] of [
      [child.stdout, this.out],
      [child.stderr, this.err],
    ] as const) {
      createInterface({ input: stream })
        .on('line', (line) => lines.push(line))
        .on('close', () => lines.close());
    }
    this.exited = new Promise((resolve) => child.once('exit', resolve));
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the program did not start');
    return this.#child.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The port in the ready line. */
  async port(): Promise<number> {
    const line = await this.out.find(/listening on \S+:(\d+)/).catch((cause: unknown) => {
      throw new Error(`it did not start:\n${this.err.all.join('\n')}`, { cause });
    });
    return Number(line[1]);
  }

  /** For the end of a test: whatever state it is in, it is gone afterwards. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.kill('SIGTERM');
    const cutOff = setTimeout(() => this.kill('SIGKILL'), 30_000);
    await this.ended;
    clearTimeout(cutOff);
  }
}

export class LineClient {
  readonly lines = new Lines();
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #read = 0;

  /** `where`: a port of 127.0.0.1 or the path of a Unix socket. */
  constructor(where: number | string, localAddress = '127.0.0.1') {
    this.#socket = connect(
      typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1', localAddress },
    );
    createInterface({ input: this.#socket }).on('line', (line) => this.lines.push(line));
    this.#socket.on('error', (error) => this.lines.push(`error ${error.message}`));
    this.closed = new Promise((resolve) =>
      this.#socket.once('close', () => {
        this.lines.close();
        resolve();
      }),
    );
  }

  /** The next reply. */
  async reply(): Promise<string> {
    const match = await this.lines.find(/.*/, this.#read);
    this.#read++;
    return match[0];
  }

  /** Sends octets as they are. */
  send(text: string): void {
    this.#socket.write(text);
  }

  say(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Asks a fake server for its greeting, in words: `220 GREETING PID ROLE LOADED-AS SERVING-AS`. */
export async function greetingOf(port: number): Promise<readonly string[]> {
  const client = new LineClient(port);
  const greeting = await client.reply();
  await client.say('QUIT');
  await client.closed;
  return greeting.split(' ');
}
