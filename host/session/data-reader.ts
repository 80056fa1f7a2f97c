/** Reads mail data: the core finds the end and the dots, the message keeps the octets. RFC 5321 section 4.5.2. */

import { DataFlag, WINDOW, type Slot } from '../../bindings/core/contract.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { StoredMessage } from '../message/stored-message.ts';
import { ChunkContent } from './chunk-content.ts';
import { disconnect } from './closing.ts';
import { endOfData, takeHeader } from './end-of-data.ts';
import { latestEndOfData } from './limits.ts';
import { breakOff, isUnsafe, type Flow } from './content-flow.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';

const CR: Buffer = Buffer.from('\r');
const CRLF: Buffer = Buffer.from('\r\n');
/** Octets between two dots of dot-stuffing below which they are copied one by one. */
const SHORT_PIECE = 128;
/** What a binary message may have. RFC 3030 section 3. */
const LINE_FLAGS = DataFlag.BareCr | DataFlag.BareLf;

/** The message while it arrives. */
export class IncomingData {
  readonly message: StoredMessage;
  readonly slot: Slot;
  /** What BDAT brought; undefined for DATA. */
  readonly chunks: ChunkContent | undefined;
  /** When the message has to be complete, on the clock of `Deadlines.now`. */
  readonly endsAt: number;
  /** The message outgrew `databytes`; its octets are dropped while the client sends them. */
  isTooBig = false;
  /** `data_headers_end` has been asked. */
  isHeaderAnnounced = false;
  /** A plugin that had to judge the header could not: to be said once the content is over. */
  isHeaderUnjudged = false;
  /** An or of `DataFlag`s, once the message is complete. */
  flags = 0;
  flow: Flow = 'held';
  /** Header fields that have left already. */
  fieldsSent = 0;
  /** Somebody waits for the end of the header. */
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

  /** A last line without an end gets one: behind it the next hop would not find the dot that ends its data. */
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

/** Reads mail data from `chunk` at `from` on and returns where it stopped. */
export function readData(session: Session, chunk: Buffer, from: number): number {
  const incoming = session.incoming!;
  const { core, settings } = session.host;
  const isEnd = core.data(incoming.slot, chunk, from);
  const behind = from + core.consumed;
  const limit = settings.databytes;
  if (limit > 0 && !incoming.isTooBig && core.dataOctets(incoming.slot) > limit) {
    incoming.isTooBig = true;
    breakOff(session);
  }
  if (incoming.flow === 'flowing' && isUnsafe(core.dataFlags(incoming.slot))) breakOff(session);
  if (!incoming.isTooBig) keepContent(session, chunk, from);
  if ((core.dataFlags(incoming.slot) & DataFlag.LookAlike) !== 0) {
    refuseLookAlike(session);
  } else if (isEnd) {
    session.mode = 'command';
    session.run(endOfData);
  } else {
    if (incoming.wantsHeader && !incoming.isHeaderAnnounced && incoming.message.headerEnds()) {
      session.run(takeHeader);
    }
    const drained = incoming.message.content.drained();
    if (drained !== undefined && !session.isBusy) session.holdInput(drained);
  }
  return behind;
}

/** Hands the content of this window over, without the dots of dot-stuffing. Nothing is copied but what was lent. */
function keepContent({ host, incoming, isInputLent }: Session, chunk: Buffer, from: number): void {
  const { core } = host;
  const { content } = incoming!.message;
  if (core.carriedCr) content.append(CR);
  const { contentEnd, dropCount, drops } = core;
  if (dropCount === 0) {
    if (contentEnd === 0) return;
    const isAll = from === 0 && contentEnd === chunk.length;
    content.append(isAll ? chunk : chunk.subarray(from, from + contentEnd), isInputLent);
    return;
  }
  if (dropCount * SHORT_PIECE > contentEnd) {
    content.append(withoutDots(chunk, from, contentEnd, drops, dropCount), true);
    return;
  }
  let start = 0;
  for (let index = 0; index < dropCount; index++) {
    const dot = drops[index]!;
    if (dot > start) content.append(chunk.subarray(from + start, from + dot), isInputLent);
    start = dot + 1;
  }
  if (contentEnd > start) content.append(chunk.subarray(from + start, from + contentEnd), isInputLent);
}

/** Serves every message: its content copies what comes from here. */
let dotless: Buffer | undefined;

/**
 * A block for every line would cost more than its octets where a dot stands in front of each. What it returns is gone with
 * the next call.
 */
function withoutDots(
  chunk: Buffer,
  from: number,
  contentEnd: number,
  drops: Int32Array,
  count: number,
): Buffer {
  const content = (dotless ??= Buffer.allocUnsafeSlow(WINDOW));
  const end = from + contentEnd;
  let written = 0;
  let at = from;
  for (let index = 0; index < count; index++) {
    const dot = from + drops[index]!;
    while (at < dot) content[written++] = chunk[at++]!;
    at = dot + 1;
  }
  while (at < end) content[written++] = chunk[at++]!;
  return content.subarray(0, written);
}

/**
 * The client, or whoever wrote the text, takes `LF . LF` or the like for the end of data; what follows would be read as
 * commands by one of the hosts on the way (SMTP smuggling). Nothing can be resynchronised here, so the connection ends.
 */
function refuseLookAlike(session: Session): void {
  session.log(LogLevel.NOTICE, 'a dot between bare line feeds looks like an end of data: connection closed');
  session.send(replies.lookAlike);
  session.run([disconnect]);
}

/** The client closed the connection inside the message. A chunk of BDAT that was refused has had its reply. */
export function incompleteData(session: Session): void {
  if (session.mode === 'bdat' && session.chunk!.isRefused) return;
  session.send(replies.incompleteData);
}
