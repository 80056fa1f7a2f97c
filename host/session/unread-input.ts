/**
 * Input that came before its turn. The session reads it when it can; until then a plugin may ask whether there is
 * some: a client that speaks before the banner does not speak SMTP. RFC 5321 section 3.1.
 */

import type { Duplex } from 'node:stream';
import { SLAB_OCTETS, slabPool } from '../message/slab-pool.ts';

/** Below so many octets a slab would be mostly empty. */
const WORTH_A_SLAB = SLAB_OCTETS / 2;

type Wake = (hasSpoken: boolean) => void;

export class UnreadInput {
  #octets: Buffer | undefined = undefined;
  /** Holds the octets that wait, or waited last. */
  #slab: Buffer | undefined = undefined;
  #waiting: Set<Wake> | undefined = undefined;

  get isEmpty(): boolean {
    return this.#octets === undefined;
  }

  get octets(): number {
    return this.#octets?.length ?? 0;
  }

  /** The octets from `take` are lent: they change after `release`. */
  get isLent(): boolean {
    return this.#slab !== undefined;
  }

  /** Puts octets after those that wait already. The client is not read from meanwhile. */
  keep(octets: Buffer, stream: Duplex): void {
    this.#octets = this.#octets === undefined ? octets : Buffer.concat([this.#octets, octets]);
    stream.pause();
    this.#wake(true);
  }

  /**
   * The same for octets that are gone afterwards. Where many wait, each of their reads would leave a buffer to the garbage
   * collector, which stops everybody for the time of a whole message: reads of that size go to memory that is used again.
   */
  keepLent(octets: Buffer, stream: Duplex): void {
    if (this.#octets !== undefined || this.#slab !== undefined || octets.length < WORTH_A_SLAB) {
      this.keep(Buffer.from(octets), stream);
      return;
    }
    this.#slab = slabPool.take();
    octets.copy(this.#slab);
    this.keep(this.#slab.subarray(0, octets.length), stream);
  }

  /** All of it was read, and no view of it is left. Keeps slabs of `maxOctets` for the next one. */
  release(maxOctets: number): void {
    if (this.#slab === undefined) return;
    slabPool.giveBack([this.#slab], maxOctets);
    this.#slab = undefined;
  }

  /** Hands over the octets that wait. */
  take(): Buffer | undefined {
    const octets = this.#octets;
    this.#octets = undefined;
    return octets;
  }

  /** The client will send nothing more: waiting is over. */
  end(): void {
    this.#wake(false);
  }

  /** True as soon as octets wait, false after `withinMs` or at the client's end. */
  within(withinMs: number): Promise<boolean> {
    if (this.#octets !== undefined) return Promise.resolve(true);
    const waiting = (this.#waiting ??= new Set());
    return new Promise((resolve) => {
      const wake: Wake = (hasSpoken) => {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve(hasSpoken);
      };
      // After the timer one look at the socket: what had come by then counts.
      const timer = setTimeout(() => setImmediate(wake, false), withinMs);
      waiting.add(wake);
    });
  }

  #wake(hasSpoken: boolean): void {
    if (this.#waiting !== undefined) for (const wake of this.#waiting) wake(hasSpoken);
  }
}
