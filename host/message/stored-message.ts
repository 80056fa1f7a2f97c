import { DataFlag, HeaderFlag, MAX_HEADER_OCTETS, WINDOW, type Core } from '../../bindings/core/contract.ts';
import type { ContentSink } from '../../bindings/plugin/cut-through.ts';
import type { LineEnds, Message } from '../../bindings/plugin/message.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { Content, type ContentOptions } from './content.ts';
import { HeaderFields } from './header-fields.ts';
import { cutBlocks, cutList, toLfBlocks, toLfBlocksAsync } from './lf-blocks.ts';

/** A message of one block up to this size is handed to the core whole: cheaper than looking for its header first. */
const SHORT_MESSAGE = 8_192;

/**
 * One message from the first octet of its content until it is queued or refused. Its maker calls `discard` at the end
 * of the transaction, in any case.
 */
export class StoredMessage implements Message {
  readonly content: Content;
  readonly #core: Core;
  #header: HeaderFields | undefined;
  #isComplete = false;
  #dataFlags = 0;
  #longestLine = 0;

  constructor(core: Core, contentOptions: ContentOptions) {
    this.#core = core;
    this.content = new Content(contentOptions);
  }

  /**
   * True once the header can be read: its end has come, or the whole message, or `MAX_HEADER_OCTETS` without an empty
   * line. Cheap to ask for after every block.
   */
  headerEnds(): boolean {
    return this.#isComplete || this.content.headerEnds();
  }

  /**
   * The end of the data has come; what the core saw in it. Undefined if nothing has to be waited for; otherwise
   * resolves when the spool file is written or `content.failure` is set. Never rejects.
   */
  complete(dataFlags: number, longestLine: number): Promise<void> | undefined {
    this.#isComplete = true;
    this.#dataFlags = dataFlags;
    this.#longestLine = longestLine;
    return this.content.finish();
  }

  get octets(): number {
    return this.content.octets;
  }

  get hasNul(): boolean {
    return (this.#dataFlags & DataFlag.Nul) !== 0;
  }

  get hasEightBit(): boolean {
    return (this.#dataFlags & DataFlag.EightBit) !== 0;
  }

  get longestLine(): number {
    return this.#longestLine;
  }

  /** Parsed on first use. Throws `Q_NO_MESSAGE` before `headerEnds`. */
  get header(): HeaderFields {
    return (this.#header ??= this.#parse());
  }

  /** An or of `HeaderFlag`s. */
  get headerState(): number {
    return this.header.flags;
  }

  /**
   * False if there are fields that were not indexed: more than the core indexes, or after `MAX_HEADER_OCTETS`. Such a
   * message, if accepted, has fields that no plugin saw, forged Authentication-Results for one.
   */
  get isHeaderWhole(): boolean {
    const { flags } = this.header;
    if ((flags & HeaderFlag.TooManyFields) !== 0) return false;
    return (flags & HeaderFlag.Unfinished) === 0 || this.octets <= MAX_HEADER_OCTETS;
  }

  blocks(lineEnds: LineEnds): Iterable<Buffer> | AsyncIterable<Buffer> {
    return this.#read(this.header.render('crlf'), lineEnds);
  }

  body(lineEnds: LineEnds): Iterable<Buffer> | AsyncIterable<Buffer> {
    return this.#read([], lineEnds);
  }

  /** Hands over the header as it is now and the body so far, then what follows: see `Content.divert`. */
  divert(sink: ContentSink, isKept: boolean): Promise<void> | undefined {
    const { header } = this;
    for (const block of header.render('crlf')) sink.write(block);
    return this.content.divert(header.octets, sink, isKept);
  }

  /** See `Content.discard`. */
  discard(): Promise<void> | undefined {
    return this.content.discard();
  }

  #read(above: readonly Buffer[], lineEnds: LineEnds): Iterable<Buffer> | AsyncIterable<Buffer> {
    const body = this.content.from(this.header.octets);
    if (Symbol.asyncIterator in body) {
      const blocks = joinAsync(cutBlocks(above, WINDOW), body);
      return lineEnds === 'lf' ? toLfBlocksAsync(this.#core, blocks) : blocks;
    }
    const blocks = cutList(above.length === 0 ? body : [...above, ...body], WINDOW);
    return lineEnds === 'lf' ? toLfBlocks(this.#core, blocks) : blocks;
  }

  #parse(): HeaderFields {
    const { content } = this;
    if (!this.headerEnds()) throw new QpsmtpdError('Q_NO_MESSAGE', 'the header has not been received yet');
    if (this.#isComplete && content.octets <= SHORT_MESSAGE) {
      return new HeaderFields(this.#core, content.leading(SHORT_MESSAGE));
    }
    const end = content.headerEnd();
    // With the empty line and its CR, so that the core sees where the header ends.
    return new HeaderFields(this.#core, content.leading(end < 0 ? MAX_HEADER_OCTETS : end + 2));
  }
}

async function* joinAsync(above: Iterable<Buffer>, body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield* above;
  yield* body;
}
