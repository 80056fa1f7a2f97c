/** Files that plugins make whole before anybody finds them. */

import { link, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { StagedFile, StageOptions } from '../../bindings/plugin/files.ts';
import type { Rehearsal } from '../errors/rehearsal.ts';
import { writeAll } from '../message/write-all.ts';

/** Octets collected before they are written: one system call for a small message, bounded memory for a large one. */
const BATCH_OCTETS = 1_048_576;

/** Permission bits that some umask may take away; nobody takes those of the owner. */
const MASKABLE = 0o077;

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

export async function stageFile(path: string, { mode, isMasked }: StageOptions): Promise<StagedFile> {
  // Exclusive: a file that is there, or a symbolic link, belongs to somebody else.
  const handle = await open(path, 'wx', mode);
  const file = new OpenStagedFile(path, handle);
  if (isMasked === true || (mode & MASKABLE) === 0) return file;
  try {
    await handle.chmod(mode);
  } catch (error) {
    await file.discard();
    throw error;
  }
  return file;
}

class OpenStagedFile implements StagedFile {
  readonly #handle: FileHandle;
  /** Where the file stands now; undefined once it is discarded. */
  #path: string | undefined;
  #isOpen = true;

  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  async write(head: Buffer, blocks: Iterable<Buffer> | AsyncIterable<Buffer> = []): Promise<void> {
    const batch = new Batch(this.#handle, head);
    if (Symbol.iterator in blocks) {
      for (const block of blocks) if (batch.take(block)) await batch.write();
    } else {
      for await (const block of blocks) if (batch.take(block)) await batch.write();
    }
    await batch.write();
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return this.#handle.close();
  }

  async rename(path: string): Promise<void> {
    await rename(this.#path!, path);
    this.#path = path;
  }

  async link(path: string): Promise<boolean> {
    try {
      await link(this.#path!, path);
      return true;
    } catch (error) {
      if (isTaken(error)) return false;
      throw error;
    }
  }

  async discard(): Promise<void> {
    const path = this.#path;
    this.#path = undefined;
    if (this.#isOpen) await this.close().catch(() => undefined);
    // Gone already: a reader of mail may have moved it.
    if (path !== undefined) await unlink(path).catch(() => undefined);
  }
}

/** Blocks that are written together. */
class Batch {
  readonly #handle: FileHandle;
  #blocks: Buffer[];
  #octets: number;

  constructor(handle: FileHandle, head: Buffer) {
    this.#handle = handle;
    this.#blocks = [head];
    this.#octets = head.length;
  }

  /** True as soon as there is enough for one call. */
  take(block: Buffer): boolean {
    this.#blocks.push(block);
    this.#octets += block.length;
    return this.#octets >= BATCH_OCTETS;
  }

  async write(): Promise<void> {
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#octets = 0;
    await writeAll(this.#handle, blocks);
  }
}

/** Makes nothing: notes the names that a file would have in the end. */
export class RehearsedFile implements StagedFile {
  readonly #rehearsal: Rehearsal;

  constructor(path: string, rehearsal: Rehearsal) {
    rehearsal.stage(path);
    this.#rehearsal = rehearsal;
  }

  async write(_head: Buffer, blocks: Iterable<Buffer> | AsyncIterable<Buffer> = []): Promise<void> {
    for await (const block of blocks) void block;
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  async rename(path: string): Promise<void> {
    this.#rehearsal.append(path);
  }

  async link(path: string): Promise<boolean> {
    try {
      this.#rehearsal.stage(path);
    } catch (error) {
      if (isTaken(error)) return false;
      throw error;
    }
    this.#rehearsal.append(path);
    return true;
  }

  async discard(): Promise<void> {}
}
