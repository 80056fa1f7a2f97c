/** Memory for the content of long messages and for input that waits, used again for the next ones. */

/** Octets of a slab, which is also the most that one read brings. */
export const SLAB_OCTETS = 65_536;

/** 32 MiB: six messages of 5 MiB. What comes back beyond that is left to the garbage collector. */
const MAX_FREE = 512;
/** How long unused slabs stay. */
const PATIENCE_MS = 10_000;
/** Free slabs may take up this share of the memory budget, beside it. */
export const SHARE_OF_FREE_SLABS = 1 / 8;

/**
 * Slabs that wait for their next message. Without them each message of 5 MiB leaves 80 buffers that have grown old:
 * only a full collection frees them, and their weight makes V8 run one every few messages, at more than the message
 * itself costs. A slab's pages also stay where the processor has them.
 *
 * A slab is handed out as its last user left it. A user must not read an octet of it that it did not write itself.
 */
export class SlabPool {
  readonly #free: Buffer[] = [];
  readonly #maxFree: number;
  readonly #patienceMs: number;
  /** The fewest that were free since the last look: those were not needed. */
  #spare = 0;
  #look: NodeJS.Timeout | undefined;

  constructor(maxFree = MAX_FREE, patienceMs = PATIENCE_MS) {
    this.#maxFree = maxFree;
    this.#patienceMs = patienceMs;
  }

  /** Slabs that wait. */
  get free(): number {
    return this.#free.length;
  }

  /** A slab of `SLAB_OCTETS` octets with anything in it. */
  take(): Buffer {
    const slab = this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_OCTETS);
    this.#spare = Math.min(this.#spare, this.#free.length);
    return slab;
  }

  /**
   * Takes slabs back, to keep `maxOctets` of them at most. No view of them may be left: it would come to show another
   * message (a leak of mail).
   */
  giveBack(slabs: readonly Buffer[], maxOctets = Number.POSITIVE_INFINITY): void {
    const most = Math.min(this.#maxFree, Math.floor(maxOctets / SLAB_OCTETS));
    for (const slab of slabs) if (this.#free.length < most) this.#free.push(slab);
    if (this.#free.length > 0)
      this.#look ??= setTimeout(() => this.#lookForSpares(), this.#patienceMs).unref();
  }

  /** Lets go of what was not needed since the last look, so that an idle process keeps none. */
  #lookForSpares(): void {
    this.#free.splice(0, this.#spare);
    this.#spare = this.#free.length;
    this.#look = undefined;
    if (this.#spare > 0) this.#look = setTimeout(() => this.#lookForSpares(), this.#patienceMs).unref();
  }
}

/** One for the whole process. */
export const slabPool = new SlabPool();
