import type { SpoolOptions } from '../../bindings/plugin/spool-services.ts';
import type { Totals } from './index/index-entries.ts';

/** How long an answer of the file system about free space is good for. */
const LOOK_MS = 1_000;

/** Whether there is room for one more message. A spool that fills the disk takes everything else down with it. */
export class SpoolSpace {
  readonly #freeOctets: () => Promise<number>;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #free = 0;
  #looking: Promise<void> | undefined;
  #pendingMessages = 0;
  #pendingOctets = 0;

  constructor(freeOctets: () => Promise<number>) {
    this.#freeOctets = freeOctets;
  }

  /** Why a message of `octets` has no room, for the log; undefined if it has. Then `release` is due once it is stored. */
  async reserve(
    octets: number,
    totals: Totals,
    { maxMessages, maxOctets, minFreeOctets }: SpoolOptions,
  ): Promise<string | undefined> {
    await this.#look();
    const messages = totals.messages + this.#pendingMessages + 1;
    const held = totals.octets + this.#pendingOctets + octets;
    if (messages > maxMessages) return `it holds ${maxMessages} messages`;
    if (held > maxOctets) return `it holds ${totals.octets} of ${maxOctets} octets`;
    if (this.#free - this.#pendingOctets - octets < minFreeOctets)
      return `the file system has ${this.#free} octets left, and ${minFreeOctets} must stay free`;
    this.#pendingMessages++;
    this.#pendingOctets += octets;
    return undefined;
  }

  release(octets: number): void {
    this.#pendingMessages--;
    this.#pendingOctets -= octets;
  }

  /** By the system's own clock, not the spool's: the disk does not fill in simulated time. */
  async #look(): Promise<void> {
    if (performance.now() - this.#lookedAt < LOOK_MS) return;
    this.#looking ??= this.#freeOctets()
      .then((octets) => {
        this.#free = octets;
        this.#lookedAt = performance.now();
      })
      .finally(() => (this.#looking = undefined));
    await this.#looking;
  }
}
