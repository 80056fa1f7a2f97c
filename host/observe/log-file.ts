/** A log file: lines are appended in batches, and the file is opened anew when it was renamed or removed. */

import { openSync, writeSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { LogOutput } from '../../bindings/plugin/log-services.ts';
import { yieldTurn } from '../../bindings/timing/turn.ts';
import { LineQueue } from './line-queue.ts';

/** How often the name of the file is looked up, to see whether it still is the same file. */
const LOOK_EVERY_MS = 1_000;
/** How long a file that can't be written is left alone. */
const RETRY_MS = 1_000;

const LINE_END = 0x0a;

/** Files with lines that still wait. */
const unwritten = new Set<LogFile>();

process.once('exit', () => {
  for (const file of unwritten) file.flushSync();
});

export class LogFile implements LogOutput {
  readonly path: string;
  readonly #complain: (problem: string) => void;
  readonly #queue = new LineQueue();
  #handle: FileHandle | undefined = undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #retryAt = Number.NEGATIVE_INFINITY;
  #isPumping = false;
  #isClosed = false;
  /** The open file is to be closed before the next line. */
  #isStale = false;
  #isCut = false;
  #lastProblem: string | undefined = undefined;

  /** `complain` gets a line for each new problem. Nothing is opened before the first line. */
  constructor(path: string, complain: (problem: string) => void) {
    this.path = path;
    this.#complain = complain;
  }

  write(line: string): void {
    this.#queue.push(line);
    unwritten.add(this);
    if (!this.#isPumping) void this.#pump();
  }

  /** Before the next line it is made sure that the name still leads to the open file. */
  lookAgain(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /** Closes the file, which may have been renamed, once the lines on their way are written. */
  reopen(): void {
    this.lookAgain();
    if (this.#isPumping) this.#isStale = true;
    else void this.#letGo();
  }

  /** A line that comes later opens the file again. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isPumping) void this.#letGo();
  }

  /** For the end of the process: waiting lines are written at once. */
  flushSync(): void {
    if (this.#queue.isEmpty) return;
    try {
      const octets = this.#takeWaiting();
      const file = this.#handle?.fd ?? openSync(this.path, 'a');
      for (let at = 0, last = -1; at < octets.length && at !== last;) {
        last = at;
        at += writeSync(file, octets, at);
      }
    } catch {
      // There is nobody left to be told.
    }
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    this.#isClosed = false;
    // Lines of the same turn go together.
    await yieldTurn();
    while (!this.#queue.isEmpty) await this.#writeWaiting();
    this.#isPumping = false;
    unwritten.delete(this);
    if (this.#isClosed || this.#isStale) await this.#letGo();
  }

  async #writeWaiting(): Promise<void> {
    if (performance.now() < this.#retryAt) {
      this.#queue.drop();
      return;
    }
    try {
      const handle = await this.#sameFile();
      const { lost } = this.#queue;
      await this.#append(handle, this.#takeWaiting());
      this.#queue.lost -= lost;
      if (lost > 0) this.#complain(`log file ${this.path} works again; ${lost} lines are lost`);
      this.#lastProblem = undefined;
    } catch (cause) {
      this.#fail(cause instanceof Error ? cause.message : String(cause));
      await this.#letGo();
    }
  }

  /** Counts the lines that find no room, and remembers whether one of them was cut in its middle. */
  async #append(handle: FileHandle, octets: Buffer): Promise<void> {
    let written = 0;
    try {
      while (written < octets.length) {
        const { bytesWritten } = await handle.write(octets, written);
        if (bytesWritten === 0) throw new Error('nothing can be written');
        written += bytesWritten;
      }
    } finally {
      if (written > 0) this.#isCut = octets[written - 1] !== LINE_END;
      // The first may be what ends a line that was counted before.
      for (let at = Math.max(1, written); at < octets.length; at++)
        if (octets[at] === LINE_END) this.#queue.lost++;
    }
  }

  /** A line that was cut short ends here, and takes nothing of the next one with it. */
  #takeWaiting(): Buffer {
    return Buffer.from(`${this.#isCut ? '\n' : ''}${this.#queue.takeAll()}`);
  }

  #fail(problem: string): void {
    this.#queue.drop();
    this.#retryAt = performance.now() + RETRY_MS;
    if (problem !== this.#lastProblem) this.#complain(`log file ${this.path}: ${problem}`);
    this.#lastProblem = problem;
  }

  /** The open file, as long as its name still leads to it. */
  async #sameFile(): Promise<FileHandle> {
    const now = performance.now();
    if (this.#isStale) await this.#letGo();
    if (this.#handle !== undefined && now - this.#lookedAt < LOOK_EVERY_MS) return this.#handle;
    if (this.#handle !== undefined && !(await this.#isStillNamed(this.#handle))) await this.#letGo();
    this.#lookedAt = now;
    return (this.#handle ??= await open(this.path, 'a'));
  }

  async #isStillNamed(handle: FileHandle): Promise<boolean> {
    try {
      const [named, held] = [await stat(this.path), await handle.stat()];
      return named.ino === held.ino && named.dev === held.dev;
    } catch {
      return false;
    }
  }

  async #letGo(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#isStale = false;
    await handle?.close().catch(() => undefined);
  }
}
