/** Answers that are kept until they are too old, up to so many octets. */

import type { AnyAnswer, TimedAnswer } from './reply-reader.ts';

interface KeptAnswer {
  /** Made once, when somebody asks: all get the same promise. */
  promise: Promise<AnyAnswer> | undefined;
  readonly answer: AnyAnswer;
  readonly untilMs: number;
  readonly octets: number;
  /** It was asked for since it was last looked at. */
  isUsed: boolean;
}

/** About what V8 takes for an entry: key, answer, promise, the place in the table. */
const ENTRY_OCTETS = 400;
const RECORD_OCTETS = 40;
/** A Buffer of its own, besides its octets. */
const BUFFER_OCTETS = 250;
/** How much of the cache is freed when it is full. */
const ROOM_SHARE = 1 / 8;

/** What came first goes first, unless it was asked for meanwhile: names that are asked once push none out that are asked often. */
export class AnswerCache {
  readonly #kept = new Map<string, KeptAnswer>();
  readonly #now: () => number;
  readonly #maxOctets: number;
  #octets = 0;

  /** `now` is in milliseconds. */
  constructor(maxOctets: number, now: () => number) {
    this.#maxOctets = maxOctets;
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  get octets(): number {
    return this.#octets;
  }

  /** Undefined for what is not there any more. */
  get(key: string): KeptAnswer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.untilMs <= this.#now()) {
      this.#delete(key, kept);
      return undefined;
    }
    kept.isUsed = true;
    return kept;
  }

  /** How long it is kept from now on. */
  restMs({ untilMs }: KeptAnswer): number {
    return untilMs - this.#now();
  }

  set(key: string, { answer, keepMs }: TimedAnswer): void {
    const old = this.#kept.get(key);
    if (old !== undefined) this.#delete(key, old);
    const octets = octetsOf(key, answer);
    // One answer of 64 KB must not empty a small cache.
    if (keepMs <= 0 || octets > this.#maxOctets / 4) return;
    const untilMs = this.#now() + keepMs;
    this.#kept.set(key, { promise: undefined, answer, untilMs, octets, isUsed: false });
    this.#octets += octets;
    if (this.#octets > this.#maxOctets) this.#makeRoom();
  }

  clear(): void {
    this.#kept.clear();
    this.#octets = 0;
  }

  /** In one go for many answers to come: a walk from the first one passes over all that is not there any more. */
  #makeRoom(): void {
    const goal = this.#maxOctets * (1 - ROOM_SHARE);
    const now = this.#now();
    let chances = this.#kept.size;
    for (const [key, kept] of this.#kept) {
      if (this.#octets <= goal) return;
      // Each is spared once at most: if all are in use, the first have to go all the same.
      const isSpared = kept.isUsed && kept.untilMs > now && --chances > 0;
      this.#kept.delete(key);
      if (isSpared) {
        kept.isUsed = false;
        this.#kept.set(key, kept);
      } else this.#octets -= kept.octets;
    }
  }

  #delete(key: string, kept: KeptAnswer): void {
    this.#kept.delete(key);
    this.#octets -= kept.octets;
  }
}

function octetsOf(key: string, answer: AnyAnswer): number {
  let octets = ENTRY_OCTETS + key.length + answer.canonicalName.length;
  if (answer.status !== 'found') return octets;
  for (const record of answer.records) {
    octets += RECORD_OCTETS;
    if (typeof record === 'string') octets += record.length;
    else if ('exchange' in record) octets += record.exchange.length;
    else octets += BUFFER_OCTETS + record.data.length;
  }
  return octets;
}
