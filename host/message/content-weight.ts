/** What the content of one message takes up, as the memory budget is told: the buffers it keeps alive, slack included. */

import { UNCOUNTED, type MemoryBudget, type Spillable } from '../memory/memory-budget.ts';
import { NOT_IN_SET } from '../../bindings/timing/dense-set.ts';

/** A part of `Content`, and no object of its own: every message would have to make one. */
export abstract class ContentWeight implements Spillable {
  listedAt = NOT_IN_SET;
  protected readonly memory: MemoryBudget;
  /** Octets of buffers and slabs, as long as there is no spool file. */
  protected held = 0;
  /** Octets of a copy of the header. */
  protected copied = 0;
  /** Octets that a sink was given and may not have passed on. */
  protected flowing = 0;
  /** The buffer of the last view. */
  #viewed: ArrayBufferLike | undefined;
  /** What the budget was told. */
  #weight = 0;

  constructor(memory: MemoryBudget = UNCOUNTED) {
    this.memory = memory;
  }

  get octetsInMemory(): number {
    return this.held;
  }

  abstract spill(): void;

  /** Octets of the blocks themselves: `held`, or what is left of it beside a spool file. */
  protected abstract keptOctets(): number;

  /** A view keeps all of its buffer alive, which the view before it may have done already. */
  protected holdView({ buffer }: Buffer): void {
    if (buffer === this.#viewed) return;
    this.#viewed = buffer;
    this.held += buffer.byteLength;
  }

  protected holdNothing(): void {
    this.held = 0;
    this.#viewed = undefined;
  }

  /** What was flowing has been passed on. */
  protected flowOut(): void {
    this.flowing = 0;
    this.weigh();
  }

  /**
   * Tells the budget what changed; `moved` octets are on their way to the disk from now on, in the same breath, or memory
   * would seem to come back in between. The budget may have this message spilled at once, so everything has to be in order.
   */
  protected weigh(moved = 0): void {
    const change = this.keptOctets() + this.copied + this.flowing - this.#weight;
    this.#weight += change;
    if (change !== 0 || moved !== 0) this.memory.adjust(change + moved, moved);
  }
}
