/** The message while it arrives, by DATA or by BDAT. */

import { DataFlag, type Core, type Slot } from '../../bindings/core/contract.ts';
import type { StoredMessage } from '../message/stored-message.ts';
import type { Flow } from './content-flow.ts';
import { latestEndOfData } from './limits.ts';
import type { Session } from './session.ts';

const CR = 0x0d;
const LF = 0x0a;
const CRLF: Buffer = Buffer.from('\r\n');
/** Allowed in a binary message. RFC 3030 section 3. */
const LINE_FLAGS = DataFlag.BareCr | DataFlag.BareLf;

/** Is the input mode while the content comes by DATA. */
export class IncomingData {
  readonly kind = 'data';
  readonly message: StoredMessage;
  readonly slot: Slot;
  /** The content of BDAT chunks; undefined for DATA. */
  readonly chunks: ChunkContent | undefined;
  /** When the message has to be complete, on the clock of `Deadlines.now`. */
  readonly endsAt: number;
  /** The message outgrew `databytes`; its octets are dropped while the client sends them. */
  isTooBig = false;
  /** `data_headers_end` has been asked. */
  isHeaderAnnounced = false;
  /** A plugin that had to judge the header could not: the client is told at the end of the content. */
  isHeaderUnjudged = false;
  /** An or of `DataFlag`s, once the message is complete. */
  flags = 0;
  flow: Flow = 'held';
  /** Header fields that have left already. */
  fieldsSent = 0;
  /** The route or a plugin waits for the end of the header. */
  readonly wantsHeader: boolean;
  /** Its end has come. */
  isWhole = false;
  readonly #session: Session;
  #isOpen = true;

  private constructor(session: Session, slot: Slot, chunks?: ChunkContent) {
    this.#session = session;
    this.slot = slot;
    this.chunks = chunks;
    this.wantsHeader = session.route.wantsHeader || session.host.hooks.has('data_headers_end');
    this.message = session.host.newMessage();
    this.endsAt = latestEndOfData(session);
  }

  /** Undefined if the core has no slot left: as many messages arrive at once as it can follow. */
  static begin(session: Session): IncomingData | undefined {
    const slot = session.host.core.openData();
    return slot === 0 ? undefined : new IncomingData(session, slot);
  }

  /** The same for a message that comes by BDAT. */
  static inChunks(session: Session): IncomingData | undefined {
    const { core } = session.host;
    const slot = core.openData();
    return slot === 0 ? undefined : new IncomingData(session, slot, new ChunkContent(core, slot));
  }

  /**
   * The message is whole: its facts move from the core to the message, and the slot goes back. Undefined if nothing has
   * to be waited for; otherwise resolves once what was spooled is written.
   */
  complete(): Promise<void> | undefined {
    this.isWhole = true;
    if (this.chunks !== undefined) return this.#completeChunks(this.chunks);
    const { core } = this.#session.host;
    this.flags = core.dataFlags(this.slot);
    const longestLine = core.longestLine(this.slot);
    this.#giveBack();
    return this.isTooBig ? undefined : this.message.complete(this.flags, longestLine);
  }

  /** It has no lines, and may hold any octets. RFC 3030 section 3. */
  get isBinary(): boolean {
    return this.#session.transaction.mailOptions.body === 'binarymime';
  }

  /** Gives everything back: after the reply, or because the client is gone. */
  abandon(): void {
    this.#giveBack();
    this.message.discard();
  }

  /** A last line without an end gets one: without it the next hop would not find the dot that ends its data. */
  #completeChunks(chunks: ChunkContent): Promise<void> | undefined {
    const { isBinary } = this;
    if (chunks.isInsideLine && !isBinary) this.message.content.append(CRLF);
    this.flags = isBinary ? chunks.flags & ~LINE_FLAGS : chunks.flags;
    const { longestLine } = chunks;
    this.#giveBack();
    return this.message.complete(this.flags, longestLine);
  }

  #giveBack(): void {
    if (this.#isOpen) this.#session.host.core.closeData(this.slot);
    this.#isOpen = false;
  }
}

/** Scans the chunks of BDAT, for `DataFlag`s. RFC 3030 section 2. */
export class ChunkContent {
  octets = 0;
  readonly #core: Core;
  readonly #slot: Slot;
  #last = LF;

  /** The slot belongs to the code that opened it, which also gives it back. */
  constructor(core: Core, slot: Slot) {
    this.#core = core;
    this.#slot = slot;
  }

  scan(block: Buffer): void {
    if (block.length === 0) return;
    this.#core.content(this.#slot, block, 0, block.length);
    this.#last = block[block.length - 1]!;
    this.octets += block.length;
  }

  /** The flags if nothing more comes: a CR at the very end is a bare one. */
  get flags(): number {
    const flags = this.#core.dataFlags(this.#slot);
    return this.#last === CR ? flags | DataFlag.BareCr : flags;
  }

  /** Octets of the longest line without its line end, the unfinished last one included. */
  get longestLine(): number {
    return this.#core.longestLine(this.#slot);
  }

  /** The last line has no line end. */
  get isInsideLine(): boolean {
    return this.#last !== LF;
  }
}

/** True between the first chunk of a message and its last. */
export const chunksHaveBegun = ({ openIncoming }: Session): boolean =>
  openIncoming?.chunks !== undefined && !openIncoming.isWhole;
