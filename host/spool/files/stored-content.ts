import { crc32 } from 'node:zlib';
import { MAX_HEADER_OCTETS, WINDOW, type Core } from '../../../bindings/core/contract.ts';
import type { MailObject } from '../../../bindings/plugin/delivery.ts';
import type { LineEnds, Message } from '../../../bindings/plugin/message.ts';
import { HeaderEnd } from '../../message/header-end.ts';
import { HeaderFields } from '../../message/header-fields.ts';
import { cutBlocks, toLfBlocksAsync } from '../../message/lf-blocks.ts';
import type { StoredEnvelope } from './envelope.ts';
import type { MessageFile } from './message-file.ts';

/** Where most headers end: a longer one is read in a second go. */
const FIRST_READ = 16_384;

/**
 * The content of a stored message, read from its file while it is sent. The last block is held back until the check sum
 * of all of them is right: an outlet then fails before the message ends, and what was damaged is not delivered.
 */
export class StoredContent implements Message {
  /** True as soon as an outlet has begun to read: from there on the next hop may get the message. */
  isBeingSent = false;
  isDamaged = false;
  readonly #file: MessageFile;
  readonly #core: Core;
  readonly #leading: Buffer;
  #header: HeaderFields | undefined;

  private constructor(file: MessageFile, core: Core, leading: Buffer) {
    this.#file = file;
    this.#core = core;
    this.#leading = leading;
  }

  /** Reads the header; `file` has to stay open as long as it is read. */
  static async of(file: MessageFile, core: Core): Promise<StoredContent> {
    const leading = await file.read(0, FIRST_READ);
    const search = new HeaderEnd();
    search.search(leading, 0, leading.length);
    const isWhole = search.position >= 0 || leading.length >= file.contentOctets;
    return new StoredContent(file, core, isWhole ? leading : await file.read(0, MAX_HEADER_OCTETS));
  }

  get header(): HeaderFields {
    return (this.#header ??= new HeaderFields(this.#core, this.#leading));
  }

  get octets(): number {
    return this.#file.contentOctets;
  }

  get hasNul(): boolean {
    return this.#file.envelope.facts.hasNul;
  }

  get hasEightBit(): boolean {
    return this.#file.envelope.facts.hasEightBit;
  }

  get longestLine(): number {
    return this.#file.envelope.facts.longestLine;
  }

  blocks(lineEnds: LineEnds): AsyncIterable<Buffer> {
    return this.#read(this.header.render('crlf'), lineEnds);
  }

  body(lineEnds: LineEnds): AsyncIterable<Buffer> {
    return this.#read([], lineEnds);
  }

  #read(above: readonly Buffer[], lineEnds: LineEnds): AsyncIterable<Buffer> {
    const blocks = this.#checkedBlocks(above);
    return lineEnds === 'lf' ? toLfBlocksAsync(this.#core, blocks) : blocks;
  }

  async *#checkedBlocks(above: readonly Buffer[]): AsyncIterable<Buffer> {
    // Not before: outlets look what kind of blocks there are before the hop has asked for any.
    this.isBeingSent = true;
    const { octets: headerOctets } = this.header;
    let sum = crc32(this.#leading.subarray(0, headerOctets));
    let held: Buffer | undefined;
    for (const block of cutBlocks(above, WINDOW)) {
      if (held !== undefined) yield held;
      held = block;
    }
    for (let at = headerOctets; at < this.octets;) {
      const block = await this.#file.read(at, WINDOW);
      if (block.length === 0) break;
      at += block.length;
      sum = crc32(block, sum);
      if (held !== undefined) yield held;
      held = block;
    }
    if (sum !== this.#file.contentSum) {
      this.isDamaged = true;
      throw this.#file.damage('the content has changed');
    }
    if (held !== undefined) yield held;
  }
}

/** The mail object of a stored message for those recipients who stand at `indices`. */
export const storedMail = (
  { id, reversePath, recipients, mailOptions, client }: StoredEnvelope,
  indices: readonly number[],
  message: StoredContent,
): MailObject => ({
  id,
  reversePath,
  recipients: indices.map((index) => recipients[index]!),
  // What the client announced is not what is sent now: fields were added since.
  mailOptions: { ...mailOptions, size: message.octets },
  message,
  client,
  isTrackedByRecipient: true,
});
