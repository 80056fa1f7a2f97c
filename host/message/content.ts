import { MAX_HEADER_OCTETS } from '../../bindings/core/contract.ts';
import type { ContentSink } from '../../bindings/plugin/cut-through.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { ContentWeight } from './content-weight.ts';
import { HeaderEnd } from './header-end.ts';
import { SHARE_OF_FREE_SLABS, SLAB_OCTETS, slabPool } from './slab-pool.ts';
import type { SpoolDirectory } from './spool-directory.ts';
import { SpoolFile } from './spool-file.ts';

/** Blocks below this size are copied: a view would keep a whole socket chunk, and an object, for a few octets. */
const SMALL_BLOCK = 2_048;
const SLAB = 16_384;
const FIRST_SLAB = 4_096;
/** After so many octets a message is long: what follows is copied into slabs that are used again. */
const LONG = 131_072;
/** From so many octets on a message is worth a file where memory is short. */
const WORTH_A_FILE = 16_384;

/** Octets of the empty line and its CR, kept with the header so that its end can be seen again. */
const SEPARATOR = 2;

/** Decides where messages are kept; one object for the whole process. */
export interface ContentOptions {
  /** From this many octets on a message goes to disk. 0: every message. */
  readonly sizeThreshold: number;
  /** Undefined: messages stay in memory whatever their size. Throws if the directory is made late, and can't be. */
  readonly spool: SpoolDirectory | undefined;
  /** Told how much memory messages take up. Undefined: it is not counted. */
  readonly memory?: MemoryBudget;
}

/**
 * The octets of one message in wire form: lines end as they came, dot-stuffing is undone. They stay the blocks they
 * came in until `sizeThreshold`; from then on they go to a spool file, and only the leading ones, up to the end of the
 * header and at most about `MAX_HEADER_OCTETS`, stay at hand.
 *
 * Memory is bounded by what was received, however it was cut: blocks below 2 KiB are copied into slabs no larger than
 * what is already there (4 to 16 KiB), so a client that sends one octet per packet costs no more than two octets per
 * octet and 4 KiB; larger blocks are views, each with less than a tenth of overhead. Only the first block is kept as a
 * view at any size, because most messages have no second one. After 128 KiB all blocks are copied, into slabs of 64 KiB
 * from `SlabPool`, to which they return once the message is discarded. That holds only as long as they were not read: a
 * reader may keep what it gets, so with `from`, or a spool file that is still to be written, the slabs are left to the
 * reader and never serve another message.
 *
 * The memory budget is told the buffers this comes to, slack and header copy included. Where it is short, messages go
 * to disk before `sizeThreshold`; one that cannot is given up, which `failure` tells.
 */
export class Content extends ContentWeight {
  readonly #contentOptions: ContentOptions;
  #failure: QpsmtpdError | undefined;
  #octets = 0;
  /** Without a spool file: all sealed octets. With one: the leading ones. */
  #blocks: Buffer[] = [];
  #blockOctets = 0;
  /** The slab of small blocks; [tailFrom, tailTo) of it stands after the last of `#blocks`. */
  #slab: Buffer | undefined;
  #tailFrom = 0;
  #tailTo = 0;
  /** Slabs of the pool that belong to this message alone. */
  #ownSlabs: Buffer[] = [];
  /** A reader may hold views of the blocks. */
  #isShared = false;
  #spool: SpoolFile | undefined;
  #keepsLeading = true;
  #headerEnd: HeaderEnd | undefined;
  #searchBlock = 0;
  #searchOffset = 0;
  #isDiscarded = false;
  /** What takes the octets along as they come, and whether they are kept all the same. */
  #sink: ContentSink | undefined;
  #isKept = true;

  constructor(contentOptions: ContentOptions) {
    super(contentOptions.memory);
    this.#contentOptions = contentOptions;
  }

  /** Octets taken; those that came after a failure are not among them. */
  get octets(): number {
    return this.#octets;
  }

  get isSpooled(): boolean {
    return this.#spool !== undefined;
  }

  /** Why the message can't be kept (disk or memory full, input/output error), once that is known. */
  get failure(): QpsmtpdError | undefined {
    return this.#failure ?? this.#spool?.failure;
  }

  /** `append` copies its octets at once. */
  get isCopying(): boolean {
    if (this.#sink !== undefined) return this.#isDiscarded;
    return this.#isDiscarded || (this.#octets > LONG && this.#spool === undefined);
  }

  /** Octets waiting to be written to the spool file. */
  get backlogOctets(): number {
    return this.#spool?.backlogOctets ?? 0;
  }

  /** Undefined while the reader may go on; otherwise resolves once enough was written. Never rejects. */
  drained(): Promise<void> | undefined {
    if (this.#sink === undefined) return this.#spool?.drained();
    const taken = this.#sink.drained()?.then(() => this.flowOut());
    if (taken === undefined) this.flowOut();
    const written = this.#spool?.drained();
    return taken === undefined || written === undefined
      ? (taken ?? written)
      : Promise.all([taken, written]).then(() => undefined);
  }

  /**
   * Takes the next octets. The caller gives `block` away, and its memory may not change any more, unless it is lent:
   * then it is copied in any case (the first of them may be those that make the message go to disk).
   */
  append(block: Buffer, isLent = false): void {
    if (block.length === 0 || this.#isDiscarded || this.failure !== undefined) return;
    const isFirst = this.#octets === 0;
    this.#octets += block.length;
    if (this.#sink !== undefined) {
      this.#sink.write(isLent ? Buffer.from(block) : block);
      this.flowing += block.length;
      if (!this.#isKept) {
        this.weigh();
        return;
      }
    }
    if (!isLent && (isFirst || (block.length >= SMALL_BLOCK && !this.isCopying))) {
      this.#seal();
      if (this.#spool === undefined) this.holdView(block);
      this.#keep(block);
    } else {
      this.#copy(block);
    }
    this.weigh();
    if (this.#spool === undefined) this.#choosePlace();
    if (this.memory.isFull && this.#keepsLeading) this.#giveUp();
  }

  /** To disk, as long as it is not read yet. */
  spill(): void {
    if (this.#spool === undefined) this.#startSpool();
  }

  /**
   * Hands over what was received from `from` on, and from now on each block as it comes. Without `isKept` nothing of it
   * stays here: the content cannot be read any more. Undefined if nothing has to be waited for; rejects if the spool
   * file cannot be read.
   */
  divert(from: number, sink: ContentSink, isKept: boolean): Promise<void> | undefined {
    const here = this.from(from);
    const settle = (): void => {
      this.#sink = sink;
      this.#isKept = isKept;
      if (!isKept) {
        this.#forget();
        void this.#spool?.discard();
        this.#spool = undefined;
      }
      this.weigh();
    };
    if (Symbol.asyncIterator in here) return pour(here, sink).then(settle);
    for (const block of here) {
      sink.write(block);
      this.flowing += block.length;
    }
    settle();
    return undefined;
  }

  /**
   * First octet of the empty line that ends the header; -1 if there was none so far, or none within
   * `MAX_HEADER_OCTETS`. Cheap to ask for after every block: no octet is looked at twice.
   */
  headerEnd(): number {
    const search = (this.#headerEnd ??= new HeaderEnd());
    while (!search.isOver && this.#searchBlock < this.#blocks.length) {
      const block = this.#blocks[this.#searchBlock]!;
      search.search(block, this.#searchOffset, block.length);
      this.#searchBlock++;
      this.#searchOffset = 0;
    }
    const tailOctets = this.#tailTo - this.#tailFrom;
    if (!search.isOver && this.#searchOffset < tailOctets) {
      search.search(this.#slab!, this.#tailFrom + this.#searchOffset, this.#tailTo);
      this.#searchOffset = tailOctets;
    }
    return search.position;
  }

  /** The end of the header was found, or can't come any more because `MAX_HEADER_OCTETS` went by without it. */
  headerEnds(): boolean {
    return this.headerEnd() >= 0 || this.#headerEnd!.isOver;
  }

  /**
   * The first `octets` octets in one piece; less if the message, or what of it is still in memory, is shorter. A view
   * of the first block, which is in no slab of the pool, or a copy.
   */
  leading(octets: number): Buffer {
    this.#refuseDiscarded();
    this.#seal();
    const first = this.#blocks[0];
    if (first === undefined) return Buffer.alloc(0);
    if (first.length >= octets || this.#blocks.length === 1) return first.subarray(0, octets);
    const copy = Buffer.concat(this.#blocks, Math.min(octets, this.#blockOctets));
    this.copied = copy.length;
    this.weigh();
    return copy;
  }

  /** All octets from `from` on, in wire form. A spooled message is read in blocks of 64 KiB. */
  from(from: number): readonly Buffer[] | AsyncIterable<Buffer> {
    this.#refuseDiscarded();
    this.#seal();
    this.#share();
    return this.#spool === undefined
      ? skipOctets(this.#blocks, from)
      : this.#spool.read(from, this.#octets - from);
  }

  /**
   * No more octets will come. Undefined if nothing has to be waited for; otherwise resolves when everything is in the
   * spool file or `failure` is set. Never rejects.
   */
  finish(): Promise<void> | undefined {
    this.#seal();
    this.memory.unlist(this);
    return this.#spool?.written();
  }

  /**
   * Forgets everything and removes the spool file, in whatever state it is. May be called again. Never rejects; the
   * caller need not wait.
   */
  discard(): Promise<void> | undefined {
    this.#isDiscarded = true;
    return this.#letGo();
  }

  /** Memory is full, and this message cannot go to disk. */
  #giveUp(why = new QpsmtpdError('Q_MEMORY', 'there is no memory left for the message')): void {
    this.#failure = why;
    void this.#letGo();
  }

  /** Undefined if there is none, or, the message being given up, if there should be one and it cannot be made. */
  #openSpoolDirectory(): SpoolDirectory | undefined {
    try {
      return this.#contentOptions.spool;
    } catch (cause) {
      this.#giveUp(new QpsmtpdError('Q_DELIVERY', (cause as Error).message, { cause }));
      return undefined;
    }
  }

  #letGo(): Promise<void> | undefined {
    slabPool.giveBack(this.#ownSlabs, this.memory.limit * SHARE_OF_FREE_SLABS);
    this.#ownSlabs = [];
    this.#forget();
    this.copied = this.flowing = 0;
    this.weigh();
    return this.#spool?.discard();
  }

  #forget(): void {
    this.memory.unlist(this);
    this.#blocks = [];
    this.#blockOctets = 0;
    this.#slab = undefined;
    this.#tailFrom = this.#tailTo = 0;
    this.holdNothing();
  }

  protected keptOctets(): number {
    return this.#spool === undefined ? this.held : this.#blockOctets + (this.#slab?.length ?? 0);
  }

  #choosePlace(): void {
    const { sizeThreshold } = this.#contentOptions;
    const isShort = this.memory.spillsMessages;
    if (this.#octets >= (isShort ? Math.min(sizeThreshold, WORTH_A_FILE) : sizeThreshold)) this.#startSpool();
    else if (this.#octets >= WORTH_A_FILE) this.memory.list(this);
  }

  /** A delivery that outlives its session must fail, not store an empty message. */
  #refuseDiscarded(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isKept) throw new QpsmtpdError('Q_NO_MESSAGE', 'the message was passed on without being kept');
    if (this.#isDiscarded)
      throw new QpsmtpdError('Q_NO_MESSAGE', 'the message was discarded with its session');
  }

  /** From here on others may hold views: no slab of this message returns to the pool. */
  #share(): void {
    this.#isShared = true;
    this.#ownSlabs = [];
  }

  #newSlab(): Buffer {
    if (!this.isCopying && (this.#octets < SLAB_OCTETS || this.#spool !== undefined)) {
      const octets = Math.min(SLAB, Math.max(FIRST_SLAB, this.#octets));
      this.held += octets;
      return Buffer.allocUnsafeSlow(octets);
    }
    const slab = slabPool.take();
    this.held += slab.length;
    if (!this.#isShared) this.#ownSlabs.push(slab);
    return slab;
  }

  #copy(block: Buffer): void {
    let copied = 0;
    while (copied < block.length) {
      if (this.#slab === undefined || this.#tailTo === this.#slab.length) {
        this.#seal();
        this.#slab = this.#newSlab();
        this.#tailFrom = this.#tailTo = 0;
      }
      const count = block.copy(this.#slab, this.#tailTo, copied);
      this.#tailTo += count;
      copied += count;
    }
  }

  /** Turns what was copied so far into a block. Further small blocks go on in the same slab. */
  #seal(): void {
    if (this.#tailTo === this.#tailFrom) return;
    const block = this.#slab!.subarray(this.#tailFrom, this.#tailTo);
    this.#tailFrom = this.#tailTo;
    this.#keep(block);
  }

  #keep(block: Buffer): void {
    this.#spool?.write(block);
    if (!this.#keepsLeading) return;
    this.#blocks.push(block);
    this.#blockOctets += block.length;
    if (this.#spool !== undefined) this.#trim();
  }

  #startSpool(): void {
    const directory = this.#openSpoolDirectory();
    if (directory === undefined) return;
    this.#seal();
    this.#share();
    this.memory.unlist(this);
    const blocks = [...this.#blocks];
    const octets = this.#blockOctets;
    this.#spool = new SpoolFile(directory, this.memory);
    this.#spool.begin(blocks);
    this.#trim();
    this.holdNothing();
    this.weigh(octets);
  }

  /** Lets go of the blocks after the header as soon as its end is known. */
  #trim(): void {
    const end = this.headerEnd();
    const wanted = end < 0 ? MAX_HEADER_OCTETS : end + SEPARATOR;
    if (this.#blockOctets < wanted) return;
    this.#keepsLeading = false;
    let kept = 0;
    let count = 0;
    while (kept < wanted) kept += this.#blocks[count++]!.length;
    this.#blocks.length = count;
    this.#blockOctets = kept;
  }
}

async function pour(blocks: AsyncIterable<Buffer>, sink: ContentSink): Promise<void> {
  for await (const block of blocks) {
    sink.write(block);
    await sink.drained();
  }
}

function skipOctets(blocks: readonly Buffer[], octets: number): Buffer[] {
  const rest: Buffer[] = [];
  let left = octets;
  for (const block of blocks) {
    if (left >= block.length) left -= block.length;
    else {
      rest.push(left === 0 ? block : block.subarray(left));
      left = 0;
    }
  }
  return rest;
}
