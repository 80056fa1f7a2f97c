import { constants } from 'node:fs';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { SpoolDirectory } from './spool-directory.ts';
import { writeAll } from './write-all.ts';

/** Octets waiting for the disk above which the session is to pause its socket, and below which it may go on. */
const HIGH_MARK = 1_048_576;
const LOW_MARK = HIGH_MARK / 2;
/** The mark where memory is short: a slow disk would otherwise make a backlog of what is to be relieved. */
const SHORT_MARK = 65_536;

const READ_OCTETS = 65_536;

/** O_NOFOLLOW and O_EXCL: no symbolic link and no prepared file is ever written to. */
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** How often another name is tried when one is taken by a file that a dead process with our pid left behind. */
const NAME_ATTEMPTS = 20;

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT']);

/** The file one large message is kept in. Writes happen in order, in the background; errors wait in `failure`. */
export class SpoolFile {
  readonly #directory: SpoolDirectory;
  readonly #memory: MemoryBudget;
  #path = '';
  #handle: FileHandle | undefined;
  #waiting: Buffer[] = [];
  #waitingOctets = 0;
  /** Those of a write that is under way too. */
  #backlogOctets = 0;
  #writtenOctets = 0;
  #failure: QpsmtpdError | undefined;
  #working: Promise<void> | undefined;
  #discarding: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(directory: SpoolDirectory, memory: MemoryBudget) {
    this.#directory = directory;
    this.#memory = memory;
  }

  get failure(): QpsmtpdError | undefined {
    return this.#failure;
  }

  get backlogOctets(): number {
    return this.#backlogOctets;
  }

  /** Queues `block`; its memory must not change any more. */
  write(block: Buffer): void {
    if (this.#failure !== undefined || this.#discarding !== undefined) return;
    this.#memory.adjust(block.length, block.length);
    this.#queue(block);
  }

  /** Queues what a message was kept as so far. The caller counts these octets for the backlog in the memory budget. */
  begin(blocks: readonly Buffer[]): void {
    for (const block of blocks) this.#queue(block);
  }

  /** Undefined below the mark; otherwise resolves when half of the backlog is written, or will never be. */
  drained(): Promise<void> | undefined {
    const mark = this.#memory.spillsMessages ? SHORT_MARK : HIGH_MARK;
    if (this.#backlogOctets < mark) return undefined;
    this.#draining ??= new Promise((resolve) => {
      this.#onDrained = resolve;
    });
    return this.#draining;
  }

  /** Resolves when all that was queued is written or `failure` is set. Undefined if that is so already. */
  written(): Promise<void> | undefined {
    return this.#working;
  }

  /** Reads `octets` octets from `from` on, in fresh Buffers; waits for what is still to be written. */
  async *read(from: number, octets: number): AsyncIterable<Buffer> {
    await this.#working;
    let at = from;
    const end = from + octets;
    while (at < end) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#discarding !== undefined) {
        throw new QpsmtpdError('Q_NO_MESSAGE', `${this.#path}: the message was discarded with its session`);
      }
      const block = Buffer.allocUnsafeSlow(Math.min(READ_OCTETS, end - at));
      const { bytesRead } = await this.#handle!.read(block, 0, block.length, at);
      if (bytesRead === 0)
        throw new QpsmtpdError('Q_DELIVERY', `${this.#path}: ends at ${at} of ${end} octets`);
      at += bytesRead;
      yield bytesRead === block.length ? block : block.subarray(0, bytesRead);
    }
  }

  /** Closes and removes the file once the write in flight is over. Never rejects. */
  discard(): Promise<void> {
    if (this.#discarding === undefined) {
      this.#forgetWaiting();
      this.#discarding = this.#remove();
    }
    return this.#discarding;
  }

  #queue(block: Buffer): void {
    this.#waiting.push(block);
    this.#waitingOctets += block.length;
    this.#backlogOctets += block.length;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    try {
      this.#handle ??= await this.#create();
      while (this.#waiting.length > 0) {
        await this.#writeWaiting(this.#handle);
        if (this.#backlogOctets <= LOW_MARK) this.#announceDrained();
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      this.#failure = new QpsmtpdError(
        DISK_FULL.has(code) ? 'Q_DISK_FULL' : 'Q_DELIVERY',
        `${this.#path}: can't spool the message: ${(error as Error).message}`,
        { cause: error },
      );
      this.#forgetWaiting();
    } finally {
      this.#working = undefined;
    }
  }

  async #writeWaiting(handle: FileHandle): Promise<void> {
    const blocks = this.#waiting;
    const octets = this.#waitingOctets;
    this.#waiting = [];
    this.#waitingOctets = 0;
    try {
      this.#writtenOctets += await writeAll(handle, blocks, this.#writtenOctets);
      this.#backlogOctets = Math.max(0, this.#backlogOctets - octets);
    } finally {
      this.#memory.adjust(-octets, -octets);
    }
  }

  async #create(): Promise<FileHandle> {
    for (let attempt = 1; ; attempt++) {
      this.#path = this.#directory.newPath();
      try {
        return await open(this.#path, CREATE, 0o600);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if ((code !== 'EEXIST' && code !== 'ENOENT') || attempt === NAME_ATTEMPTS) throw error;
        if (code === 'ENOENT') await this.#directory.restore();
      }
    }
  }

  async #remove(): Promise<void> {
    await this.#working;
    // No handle, no file of ours: one of that name would belong to another process.
    if (this.#handle === undefined) return;
    try {
      await unlink(this.#path);
    } catch (error) {
      this.#directory.warn(`can't remove spool file ${this.#path}: ${(error as Error).message}`);
    }
    try {
      await this.#handle.close();
    } catch {
      // The content is not needed any more; an error of close changes nothing.
    }
  }

  #forgetWaiting(): void {
    // What is being written is given back when that is over.
    this.#memory.adjust(-this.#waitingOctets, -this.#waitingOctets);
    this.#waiting = [];
    this.#waitingOctets = this.#backlogOctets = 0;
    this.#announceDrained();
  }

  #announceDrained(): void {
    this.#onDrained?.();
    this.#onDrained = this.#draining = undefined;
  }
}
