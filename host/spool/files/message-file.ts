/**
 * The file of a stored message: a line of fixed length that says how long the parts are, the envelope, the content as on
 * the wire, and one line for each thing that happened to it since. It is all there is to know; the index is made from it.
 */

import { constants } from 'node:fs';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Message } from '../../../bindings/plugin/message.ts';
import { appendWhole, writeAll } from '../../message/write-all.ts';
import { parseEnvelope, printEnvelope, type StoredEnvelope } from './envelope.ts';
import { parseHistory, printEvent, type HistoryEvent } from './history.ts';
import { attempt, DamagedError, SpoolError } from './spool-error.ts';
import type { SpoolFolder } from './spool-folder.ts';

/** Octets collected before they are written. */
const BATCH_OCTETS = 1_048_576;
/** 1,000 recipients, each with parameters of a command line, fit in; who allows more is told so before the 250. */
const MAX_ENVELOPE_OCTETS = 16_777_216;
const PREAMBLE = /^qpsmtpd-spool 1 (\d{10}) ([0-9a-f]{8}) (\d{16}) ([0-9a-f]{8})\n$/;
const PREAMBLE_OCTETS = 62;

/** How long the parts are, and their check sums (CRC-32). */
interface Layout {
  readonly envelopeOctets: number;
  readonly envelopeSum: number;
  readonly contentOctets: number;
  readonly contentSum: number;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, '0');

function printLayout({ envelopeOctets, envelopeSum, contentOctets, contentSum }: Layout): Buffer {
  const lengths = [String(envelopeOctets).padStart(10, '0'), String(contentOctets).padStart(16, '0')];
  return Buffer.from(
    `qpsmtpd-spool 1 ${lengths[0]} ${hex(envelopeSum)} ${lengths[1]} ${hex(contentSum)}\n`,
    'latin1',
  );
}

/** How long a message is, in octets. */
export interface StoredSize {
  readonly contentOctets: number;
  readonly fileOctets: number;
}

/** Writes a message until its octets and its name are on disk; rejects with nothing left behind otherwise. */
export async function writeMessageFile(
  folder: SpoolFolder,
  envelope: StoredEnvelope,
  content: ReturnType<Message['blocks']>,
): Promise<StoredSize> {
  const { id } = envelope;
  const [draft, path] = [folder.draftOf(id), folder.pathOf(id)];
  let written: string | undefined;
  try {
    // Exclusive: a file, or a symbolic link, that is there already belongs to another process.
    const handle = await attempt(`can't open ${draft}`, () => open(draft, 'wx', 0o600));
    written = draft;
    let size: StoredSize;
    try {
      size = await attempt(`can't write ${draft}`, () => writeParts(handle, envelope, content));
      await attempt(`can't sync ${draft}`, () => handle.sync());
    } finally {
      await handle.close().catch(() => undefined);
    }
    await attempt(`can't rename ${draft}`, () => rename(draft, path));
    written = path;
    await attempt(`can't sync ${folder.target}`, () => folder.syncs.sync(folder.target));
    return size;
  } catch (error) {
    if (written !== undefined) await unlink(written).catch(() => undefined);
    // A folder was removed: the next message must not fail as well.
    if (isMissing(error)) folder.prepare();
    throw error;
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof SpoolError &&
  (error.cause as Partial<NodeJS.ErrnoException> | undefined)?.code === 'ENOENT';

async function writeParts(
  handle: FileHandle,
  envelope: StoredEnvelope,
  content: ReturnType<Message['blocks']>,
): Promise<StoredSize> {
  const head = printEnvelope(envelope);
  if (head.length > MAX_ENVELOPE_OCTETS)
    throw new SpoolError(`an envelope of ${head.length} octets is too long`);
  let batch: Buffer[] = [head];
  let batchOctets = head.length;
  let at = PREAMBLE_OCTETS;
  let contentOctets = 0;
  let contentSum = 0;
  const flush = async (): Promise<void> => {
    at += await writeAll(handle, batch, at);
    batch = [];
    batchOctets = 0;
  };
  const take = (block: Buffer): boolean => {
    contentSum = crc32(block, contentSum);
    contentOctets += block.length;
    batch.push(block);
    batchOctets += block.length;
    return batchOctets >= BATCH_OCTETS;
  };
  if (Symbol.iterator in content) {
    for (const block of content) if (take(block)) await flush();
  } else {
    for await (const block of content) if (take(block)) await flush();
  }
  await flush();
  const layout = { envelopeOctets: head.length, envelopeSum: crc32(head), contentOctets, contentSum };
  await writeAll(handle, [printLayout(layout)], 0);
  return { contentOctets, fileOctets: at };
}

/** What has happened to a message so far, and how long that makes its file. */
export interface StoredHistory {
  readonly events: readonly HistoryEvent[];
  readonly octets: number;
  readonly fileOctets: number;
}

/** An open message file. The one that opens it closes it. */
export class MessageFile {
  readonly envelope: StoredEnvelope;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #layout: Layout;

  private constructor(path: string, handle: FileHandle, layout: Layout, envelope: StoredEnvelope) {
    this.#path = path;
    this.#handle = handle;
    this.#layout = layout;
    this.envelope = envelope;
  }

  /** Throws a `DamagedError` if the octets are not those that were written; undefined if there is no such message. */
  static async open(folder: SpoolFolder, id: string): Promise<MessageFile | undefined> {
    const path = folder.pathOf(id);
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        if (error.code === 'ELOOP') throw new DamagedError(path, 'it is a symbolic link');
        throw error;
      },
    );
    if (handle === undefined) return undefined;
    try {
      const layout = await readLayout(handle, path);
      const head = await readExactly(handle, PREAMBLE_OCTETS, layout.envelopeOctets);
      if (crc32(head) !== layout.envelopeSum) throw new DamagedError(path, 'the envelope has changed');
      const envelope = parseEnvelope(head);
      if (envelope.id !== id) throw new DamagedError(path, `it is the message ${envelope.id}`);
      return new MessageFile(path, handle, layout, envelope);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get contentOctets(): number {
    return this.#layout.contentOctets;
  }

  get contentSum(): number {
    return this.#layout.contentSum;
  }

  /** Octets of the content from `from` on, at most `octets`, in a fresh Buffer. */
  read(from: number, octets: number): Promise<Buffer> {
    const start = PREAMBLE_OCTETS + this.#layout.envelopeOctets + from;
    return readExactly(this.#handle, start, Math.min(octets, this.contentOctets - from));
  }

  damage(problem: string): DamagedError {
    return new DamagedError(this.#path, problem);
  }

  /** All of it: a reader that missed the end would deliver again to recipients that have the message. `grouped` keeps it short. */
  async history(): Promise<StoredHistory> {
    const from = PREAMBLE_OCTETS + this.#layout.envelopeOctets + this.contentOctets;
    const { size } = await this.#handle.stat();
    const events = parseHistory(await readExactly(this.#handle, from, size - from));
    return { events, octets: size - from, fileOctets: size };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Adds an event in one write, so that two processes never mix their lines. Durable before it resolves, if asked for. Returns
 * the octets of the file.
 */
export async function appendEvent(
  folder: SpoolFolder,
  id: string,
  event: HistoryEvent,
  { isDurable }: { readonly isDurable: boolean },
): Promise<number> {
  const path = folder.pathOf(id);
  return attempt(`can't write to ${path}`, async () => {
    const handle = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    try {
      // A line that a crash, or a full disk, cut short ends here, and takes nothing of this one with it.
      await appendWhole(handle, Buffer.concat([LINE_END, printEvent(event)]));
      if (isDurable) await handle.datasync();
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  });
}

const LINE_END = Buffer.from('\n');

async function readLayout(handle: FileHandle, path: string): Promise<Layout> {
  const { size } = await handle.stat();
  const line = await readExactly(handle, 0, Math.min(size, PREAMBLE_OCTETS));
  const parts = PREAMBLE.exec(line.toString('latin1'));
  if (parts === null) throw new DamagedError(path, 'it does not begin like a stored message');
  const layout = {
    envelopeOctets: Number(parts[1]),
    envelopeSum: Number.parseInt(parts[2]!, 16),
    contentOctets: Number(parts[3]),
    contentSum: Number.parseInt(parts[4]!, 16),
  };
  const { envelopeOctets, contentOctets } = layout;
  if (envelopeOctets > MAX_ENVELOPE_OCTETS || size < PREAMBLE_OCTETS + envelopeOctets + contentOctets)
    throw new DamagedError(path, `it has ${size} octets only`);
  return layout;
}

async function readExactly(handle: FileHandle, from: number, octets: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, octets));
  let read = 0;
  while (read < buffer.length) {
    const { bytesRead } = await handle.read(buffer, read, buffer.length - read, from + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}
