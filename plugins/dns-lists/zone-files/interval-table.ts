/**
 * The IPv4 addresses of an `ip4set`, as the points where the answer changes. rbldnsd keeps such a set as networks of 8, 16, 24
 * and 32 bits: the smallest network around an address answers, and entries for the same network answer together.
 */

import { EXCLUDED, NO_ANSWER, type AnswerPool } from './answers.ts';
import { halvesOf } from './address-halves.ts';
import { GrowingNumbers, narrowed, sharedWords, sortedOrder, type Numbers } from './shared-arrays.ts';

export interface IntervalTable {
  /** Sorted; the answer of each holds up to the next. Before the first there is none. */
  readonly starts: Uint32Array;
  readonly answers: Numbers;
  /** Of the starts. */
  readonly halves: Uint32Array;
}

export function findInterval({ starts, answers, halves }: IntervalTable, address: number): number {
  let low = 0;
  let high = starts.length;
  if (halves.length > 0) {
    low = halves[address >>> 16]!;
    high = halves[(address >>> 16) + 1]!;
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= address) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? NO_ANSWER : answers[low - 1]!;
}

/** Entries of one kind of network that hold at the point the sweep has come to. */
interface Level {
  readonly ends: number[];
  readonly answers: number[];
  nextEnd: number;
  answer: number;
}

/** From large networks to small ones: addresses in each, and in the network around it. */
const LEVELS = [
  { unit: 2 ** 24, around: 2 ** 32 },
  { unit: 2 ** 16, around: 2 ** 24 },
  { unit: 2 ** 8, around: 2 ** 16 },
  { unit: 1, around: 2 ** 8 },
] as const;

/** Different entries for the same addresses: ranges can overlap in 256 ways, and a thousand texts for one address are none. */
const MAX_OVERLAP = 1_024;

export class IntervalBuilder {
  readonly #first = new GrowingNumbers();
  readonly #last = new GrowingNumbers();
  readonly #level = new GrowingNumbers();
  readonly #answer = new GrowingNumbers();
  readonly #line = new GrowingNumbers();
  readonly #levels: readonly Level[] = LEVELS.map(() => ({
    ends: [],
    answers: [],
    nextEnd: Infinity,
    answer: NO_ANSWER,
  }));
  readonly #starts = new GrowingNumbers();
  readonly #found = new GrowingNumbers();

  /** All addresses from `first` to `last`, both included. */
  add(first: number, last: number, answer: number, line: number): void {
    this.#split(first, last, LEVELS.length - 1, answer, line);
  }

  /** `reject` hears of lines that could not be kept. */
  finish(answers: AnswerPool, reject: (line: number, problem: string) => void): IntervalTable {
    const first = this.#first.items;
    const order = sortedOrder([first], first.length);
    for (let at = 0; at < order.length;) {
      const start = first[order[at]!]!;
      this.#closeUntil(start, answers);
      for (; at < order.length && first[order[at]!] === start; at++) this.#open(order[at]!, answers, reject);
      this.#mark(start, answers);
    }
    this.#closeUntil(Infinity, answers);
    const starts = sharedWords(this.#starts.items);
    return { starts, answers: narrowed(this.#found.items), halves: halvesOf(starts, 1) };
  }

  /** The parts of a range that are whole networks of each kind. What is smaller lies within one network of the next kind. */
  #split(first: number, last: number, level: number, answer: number, line: number): void {
    const { around } = LEVELS[level]!;
    const head = Math.ceil(first / around) * around;
    const tail = Math.floor((last + 1) / around) * around;
    if (level === 0 || head > tail) return this.#keep(first, last, level, answer, line);
    if (first < head) this.#keep(first, head - 1, level, answer, line);
    if (head < tail) this.#split(head, tail - 1, level - 1, answer, line);
    if (tail <= last) this.#keep(tail, last, level, answer, line);
  }

  #keep(first: number, last: number, level: number, answer: number, line: number): void {
    this.#first.push(first);
    this.#last.push(last);
    this.#level.push(level);
    this.#answer.push(answer);
    this.#line.push(line);
  }

  #open(index: number, pool: AnswerPool, reject: (line: number, problem: string) => void): void {
    const level = this.#levels[this.#level.at(index)]!;
    const { ends, answers } = level;
    const [end, answer] = [this.#last.at(index), this.#answer.at(index)];
    for (let other = 0; other < ends.length; other++)
      if (ends[other] === end && answers[other] === answer) return;
    if (ends.length === MAX_OVERLAP)
      return reject(this.#line.at(index), `more than ${MAX_OVERLAP} entries for the same addresses`);
    ends.push(end);
    answers.push(answer);
    level.nextEnd = Math.min(level.nextEnd, end);
    level.answer = pool.union(level.answer, answer);
  }

  /** Ends all that does not reach `start`. */
  #closeUntil(start: number, pool: AnswerPool): void {
    for (;;) {
      let end = Infinity;
      for (const { nextEnd } of this.#levels) if (nextEnd < end) end = nextEnd;
      if (end >= start) return;
      for (const level of this.#levels) if (level.nextEnd === end) close(level, end, pool);
      // Nothing comes after the last address.
      if (end < 0xffff_ffff) this.#mark(end + 1, pool);
    }
  }

  /** From `start` on what the smallest networks say holds. */
  #mark(start: number, pool: AnswerPool): void {
    let said = NO_ANSWER;
    for (const level of this.#levels) if (level.answer !== NO_ANSWER) said = level.answer;
    const answer = said === EXCLUDED ? NO_ANSWER : pool.settled(said);
    const count = this.#starts.length;
    if (count > 0 && this.#starts.at(count - 1) === start) {
      this.#found.set(count - 1, answer);
      return;
    }
    if (count > 0 && this.#found.at(count - 1) === answer) return;
    this.#starts.push(start);
    this.#found.push(answer);
  }
}

function close(level: Level, end: number, pool: AnswerPool): void {
  const { ends, answers } = level;
  let kept = 0;
  level.nextEnd = Infinity;
  level.answer = NO_ANSWER;
  for (let index = 0; index < ends.length; index++) {
    if (ends[index] === end) continue;
    ends[kept] = ends[index]!;
    answers[kept] = answers[index]!;
    level.nextEnd = Math.min(level.nextEnd, ends[kept]!);
    level.answer = pool.union(level.answer, answers[kept++]!);
  }
  ends.length = answers.length = kept;
}
