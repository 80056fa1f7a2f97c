import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAll } from '../../message/write-all.ts';
import { attempt } from './maildir-error.ts';

/** Octets collected before they are written: one system call for a small message, bounded memory for a large one. */
const BATCH_OCTETS = 1_048_576;

/**
 * One copy of a message on its way into a Maildir: written in tmp/, then moved to new/, where readers look. Whoever
 * makes one calls `withdraw` if the delivery as a whole fails.
 */
export class StagedFile {
  readonly #maildir: string;
  readonly #name: string;
  /** Where the file stands now; undefined while there is none. */
  #path: string | undefined;

  constructor(maildir: string, name: string) {
    this.#maildir = maildir;
    this.#name = name;
  }

  /** The directory whose entries have to be synced after `publish`. */
  get target(): string {
    return join(this.#maildir, 'new');
  }

  /** Writes envelope and content to tmp/, until the octets are on disk. `mode`: permission bits of the file. */
  async write(
    mode: number,
    envelope: Buffer,
    content: Iterable<Buffer> | AsyncIterable<Buffer>,
  ): Promise<void> {
    const path = join(this.#maildir, 'tmp', this.#name);
    // Exclusive: a file that is there, or a symbolic link, belongs to somebody else.
    const handle = await attempt('open', path, () => open(path, 'wx', mode));
    this.#path = path;
    try {
      // open leaves out the bits of the umask, which never holds those of the owner.
      if ((mode & 0o077) !== 0) await attempt('open', path, () => handle.chmod(mode));
      await writeContent(handle, path, envelope, content);
      await attempt('sync', path, () => handle.sync());
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
    await attempt('close', path, () => handle.close());
  }

  /**
   * Moves the file to new/. A rename is one step where link and unlink are two; it would replace a file of the same
   * name, but names are unique. Only new/ has to be synced afterwards: should a crash bring the entry in tmp/ back, it
   * is a leftover like any other there.
   */
  async publish(): Promise<void> {
    const path = join(this.target, this.#name);
    await attempt('link', path, () => rename(this.#path!, path));
    this.#path = path;
  }

  /** Removes the file wherever it stands, for a client that will be told to try again. Never rejects. */
  async withdraw(): Promise<void> {
    if (this.#path === undefined) return;
    try {
      await unlink(this.#path);
    } catch {
      // A reader may have moved it from new/ to cur/ already; then it will be there twice, which beats losing it.
    }
    this.#path = undefined;
  }
}

async function writeContent(
  handle: FileHandle,
  path: string,
  envelope: Buffer,
  content: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  let batch = [envelope];
  let octets = envelope.length;
  const flush = (): Promise<number> => attempt('write', path, () => writeAll(handle, batch));
  const take = (block: Buffer): boolean => {
    batch.push(block);
    octets += block.length;
    return octets >= BATCH_OCTETS;
  };
  const empty = (): void => {
    batch = [];
    octets = 0;
  };
  if (Symbol.iterator in content) {
    for (const block of content) {
      if (!take(block)) continue;
      await flush();
      empty();
    }
  } else {
    const reader = content[Symbol.asyncIterator]();
    for (;;) {
      const next = await attempt('read', path, () => reader.next());
      if (next.done === true) break;
      if (!take(next.value)) continue;
      await flush();
      empty();
    }
  }
  await flush();
}
