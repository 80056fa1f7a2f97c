import type { Slot } from './contract.ts';

/** Which scan slots are free: numbers from 1 on, handed out last in, first out. */
export class SlotList {
  private readonly free: Int32Array;
  private readonly taken: Uint8Array;
  private freeCount: number;

  /** `count` slots, slot 0 included, which is never handed out. */
  constructor(count: number) {
    this.freeCount = count - 1;
    this.free = Int32Array.from({ length: count - 1 }, (_, index) => count - 1 - index);
    this.taken = new Uint8Array(count);
  }

  /** Returns 0 if all are taken. */
  take(): Slot {
    if (this.freeCount === 0) return 0;
    const slot = this.free[--this.freeCount]!;
    this.taken[slot] = 1;
    return slot;
  }

  /** Throws `RangeError` for a slot that is not taken: only a mistake in the host can bring one here. */
  check(slot: Slot): void {
    if (this.taken[slot] !== 1) throw new RangeError(`data slot ${slot} is not open`);
  }

  /** Ignores a slot that is not taken: given back twice, it would later serve two messages at once. */
  giveBack(slot: Slot): void {
    if (this.taken[slot] !== 1) return;
    this.taken[slot] = 0;
    this.free[this.freeCount++] = slot;
  }
}
