/**
 * Runs programs for plugins: with a time limit, with bounded output, and never through a shell: arguments may hold what a client
 * wrote, and a shell would run the commands in it.
 *
 * A program and all it has started.
 */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { ProgramEnd, ProgramOrder, ProgramResult, Programs } from '../../bindings/plugin/programs.ts';
import { reasonOf } from '../../bindings/timing/time-limit.ts';
import { feed } from '../../bindings/wire/feed.ts';

/** Groups that have not got all of their message. */
const unfed = new Set<number>();

/** A daemon that ends must not make a program take the end of its input for the end of the message. */
process.once('exit', () => {
  for (const id of unfed) signalGroup(id, 'SIGKILL');
});

export class ProcessGroup {
  /** Undefined if the program did not start. */
  readonly #id: number | undefined;
  readonly #graceMs: number;
  #timer: NodeJS.Timeout | undefined = undefined;
  #hasEnded = false;
  #isTerminated = false;

  constructor(id: number | undefined, graceMs: number) {
    this.#id = id;
    this.#graceMs = graceMs;
    if (id !== undefined) unfed.add(id);
  }

  /** SIGTERM, and SIGKILL to those that are left `graceMs` later. */
  terminate(): void {
    if (this.#isTerminated || this.#hasEnded) return;
    this.#isTerminated = true;
    this.#send('SIGTERM');
    this.#timer = setTimeout(() => this.#send('SIGKILL'), this.#graceMs);
  }

  /** SIGKILL at once. */
  kill(): void {
    if (this.#hasEnded) return;
    this.#isTerminated = true;
    this.#send('SIGKILL');
  }

  /** The message is with the program. */
  hasAll(): void {
    if (this.#id !== undefined) unfed.delete(this.#id);
  }

  /**
   * The program has ended; its children end with it if it was told to end. Later its number may belong to another
   * group.
   */
  ended(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.hasAll();
    if (this.#isTerminated) this.#send('SIGKILL');
  }

  #send(signal: NodeJS.Signals): void {
    if (this.#id !== undefined) signalGroup(this.#id, signal);
  }
}

function signalGroup(id: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-id, signal);
  } catch {
    // Nobody is left in it.
  }
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_OCTETS = 1_048_576;

export const programs: Programs = {
  isExecutable(path) {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  },

  run(path, args, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
    return new Promise<ProgramResult>((resolve, reject) => {
      const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_OCTETS } as const;
      const child = execFile(path, [...args], limits, (error, output) => {
        if (error === null) resolve({ exitCode: 0, output });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, output });
        else reject(error);
      });
      child.stdin?.end();
    });
  },

  feed: (order, signal) => runProgram(order, signal),
};

export interface ProgramLimit {
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  /** How long output is waited for when the program has exited and another process holds its descriptors. */
  readonly drainMs: number;
  readonly maxOutputOctets: number;
}

const DEFAULT_LIMIT: ProgramLimit = { graceMs: 3_000, drainMs: 1_000, maxOutputOctets: 16_384 };

/**
 * Resolves when the program has ended; never rejects. An aborted `signal` ends it and all it has started: SIGTERM, then
 * SIGKILL. If the message can't be read it is killed before it sees the end of its input: half a message must not be
 * delivered as a whole one.
 */
export function runProgram(
  order: ProgramOrder,
  signal: AbortSignal,
  limit: ProgramLimit = DEFAULT_LIMIT,
): Promise<ProgramEnd> {
  const child = start(order);
  if ('problem' in child) return Promise.resolve({ kind: 'not started', problem: child.problem });
  return new ProgramRun(child, order, limit).end(signal);
}

function start({ command: [program = '', ...args], environment, inputs, outputs }: ProgramOrder) {
  const highest = Math.max(2, ...inputs.map(({ fd }) => fd), ...outputs);
  const stdio = Array.from({ length: highest + 1 }, (_, fd) =>
    inputs.some((input) => input.fd === fd) || outputs.includes(fd) ? ('pipe' as const) : ('ignore' as const),
  );
  try {
    const child = spawn(program, args, {
      stdio,
      env: { ...(environment ?? process.env) },
      detached: true,
      shell: false,
    });
    child.on('error', () => undefined);
    // Where this process may open no more files there are none, despite the types.
    return (child.stdio as unknown) === undefined ? { problem: 'too many open files' } : child;
  } catch (cause) {
    return { problem: String(cause) };
  }
}

class ProgramRun {
  readonly #child: ChildProcess;
  readonly #order: ProgramOrder;
  readonly #limit: ProgramLimit;
  readonly #outputs: ReadonlyMap<number, BoundedOutput>;
  readonly #group: ProcessGroup;
  #failure: { kind: 'given up' | 'unreadable'; problem: string } | undefined = undefined;
  #abandon: () => void = () => undefined;

  constructor(child: ChildProcess, order: ProgramOrder, limit: ProgramLimit) {
    this.#child = child;
    this.#order = order;
    this.#limit = limit;
    // A program may close what it was to read, at any time.
    for (const stream of child.stdio) stream?.on('error', () => undefined);
    const kept = order.outputs.map((fd) => {
      const stream = child.stdio[fd] as Readable;
      return [fd, new BoundedOutput(stream, limit.maxOutputOctets)] as const;
    });
    this.#outputs = new Map(kept);
    this.#group = new ProcessGroup(child.pid, limit.graceMs);
  }

  async end(signal: AbortSignal): Promise<ProgramEnd> {
    const giveUp = (): void => {
      this.#failure ??= { kind: 'given up', problem: reasonOf(signal) };
      this.#group.terminate();
      // Even SIGKILL does not end a process that waits for a disk.
      setTimeout(() => this.#abandon(), this.#limit.graceMs + this.#limit.drainMs).unref();
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    const [exit, hasTakenAll] = await Promise.all([this.#exited(), this.#feedAll()]);
    signal.removeEventListener('abort', giveUp);
    return this.#judge(exit, hasTakenAll);
  }

  #judge(exit: Exit, hasTakenAll: boolean): ProgramEnd {
    if ('problem' in exit) return { kind: 'not started', problem: exit.problem };
    if (this.#failure !== undefined) return this.#failure;
    const outputs = new Map([...this.#outputs].map(([fd, output]) => [fd, output.text]));
    const { code, signalName } = exit;
    if (code === null) return { kind: 'died', problem: `killed by ${signalName}`, outputs };
    return { kind: 'exited', code, pid: this.#child.pid!, hasTakenAll, outputs };
  }

  /** Resolves after the exit, with the descriptors closed. */
  #exited(): Promise<Exit> {
    const child = this.#child;
    return new Promise((resolve) => {
      let exit: Exit | undefined;
      let timer: NodeJS.Timeout | undefined;
      const close = (): void => {
        clearTimeout(timer);
        for (const stream of child.stdio) stream?.destroy();
        resolve(exit!);
      };
      this.#abandon = () => {
        exit ??= { code: null, signalName: null };
        close();
      };
      child.once('error', (cause) => {
        if (child.pid !== undefined) return;
        exit ??= { problem: cause.message };
        this.#group.ended();
        close();
      });
      child.once('exit', (code, signalName) => {
        exit ??= { code, signalName };
        this.#group.ended();
        timer = setTimeout(close, this.#limit.drainMs);
      });
      child.once('close', close);
    });
  }

  async #feedAll(): Promise<boolean> {
    let hasTakenAll = true;
    try {
      for (const { fd, blocks } of this.#order.inputs) {
        const stream = this.#child.stdio[fd] as Writable;
        hasTakenAll &&= await feed(stream, blocks);
        if (this.#failure !== undefined) return false;
        // The end of input makes a program deliver; an input that it has closed itself is left alone.
        stream.end();
      }
    } catch (cause) {
      this.#failure ??= { kind: 'unreadable', problem: `the message can not be read: ${String(cause)}` };
      this.#group.kill();
      return false;
    }
    this.#group.hasAll();
    return hasTakenAll;
  }
}

type Exit =
  { readonly code: number | null; readonly signalName: NodeJS.Signals | null } | { readonly problem: string };

/**
 * Keeps the first `maxOctets` of a stream. The rest is read and dropped: a program that prints without end must neither
 * fill the memory nor be stopped by a full pipe.
 */
export class BoundedOutput {
  readonly #blocks: Buffer[] = [];
  readonly #maxOctets: number;
  #kept = 0;

  constructor(stream: Readable, maxOctets: number) {
    this.#maxOctets = maxOctets;
    stream.on('data', (block: Buffer) => this.#take(block));
    stream.on('error', () => undefined);
  }

  get text(): string {
    return Buffer.concat(this.#blocks).toString('utf8');
  }

  #take(block: Buffer): void {
    const room = this.#maxOctets - this.#kept;
    if (room <= 0) return;
    // A copy, because a part would hold on to the whole block.
    const part = Buffer.from(block.subarray(0, room));
    this.#blocks.push(part);
    this.#kept += part.length;
  }
}
