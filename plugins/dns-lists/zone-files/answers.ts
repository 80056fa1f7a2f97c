/** What a zone file answers: a code and a template of text for each entry, kept once however many entries share them. */

import { GrowingNumbers, sharedWords } from './shared-arrays.ts';
import { textAt, TextPool, type TextTable } from './text-pool.ts';

/** Numbers of answers. Whatever else is listed comes after these. */
export const NO_ANSWER = 0;
export const EXCLUDED = 1;
const FIRST = 2;
/** Of entries that have no value of their own: what `AnswerPool.plain` is at the end. */
export const PLAIN = 0x7fff_ffff;
/** Numbers of several values together, until it is known how many single ones there are. */
const SETS = 0x8000_0000;
/** What rbldnsd can put into a datagram of 512 octets is less. */
const MAX_VALUES = 32;

/** A code and a text, or a code alone. */
export interface AnswerValue {
  /** `127.0.0.2`. */
  readonly code: string;
  /** The template, in Latin-1. */
  readonly text: string | undefined;
}

export interface AnswerTable {
  /** Three characters for the code, one that says whether there is a text, the text. */
  readonly values: Pick<TextTable, 'octets' | 'starts'>;
  /** The numbers of the values in each set, and where each set begins. */
  readonly members: Uint32Array;
  readonly setStarts: Uint32Array;
}

/** The values of an answer that is neither `NO_ANSWER` nor `EXCLUDED`. */
export function valuesOf(table: AnswerTable, answer: number): readonly AnswerValue[] {
  const singles = table.values.starts.length - 1;
  if (answer - FIRST < singles) return [valueOf(table, answer)];
  const set = answer - FIRST - singles;
  const members = table.members.subarray(table.setStarts[set], table.setStarts[set + 1]);
  return [...members].map((member) => valueOf(table, member));
}

function valueOf({ values }: AnswerTable, answer: number): AnswerValue {
  const text = textAt(values, answer - FIRST);
  const octets = [0, 1, 2].map((index) => text.charCodeAt(index));
  return { code: `127.${octets.join('.')}`, text: text[3] === '\x01' ? text.slice(4) : undefined };
}

export class AnswerPool {
  plain: number = NO_ANSWER;
  readonly #values: TextPool;
  readonly #sets: (readonly number[])[] = [];
  readonly #setNumbers = new Map<string, number>();

  constructor(seed: number) {
    this.#values = new TextPool(seed);
  }

  /** `code`: the last three octets, after 127. */
  add(code: readonly number[], text: string | undefined): number {
    const start = String.fromCharCode(...code);
    return FIRST + this.#values.add(text === undefined ? `${start}\0` : `${start}\x01${text}`);
  }

  /** What is said where both hold: all values, or nothing if one excludes. */
  union(one: number, other: number): number {
    if (one === other || other === NO_ANSWER) return one;
    if (one === NO_ANSWER) return other;
    if (one === EXCLUDED || other === EXCLUDED) return EXCLUDED;
    const members = [...new Set([...this.#members(one), ...this.#members(other)])].slice(0, MAX_VALUES);
    const key = members.join();
    let number = this.#setNumbers.get(key);
    if (number === undefined) {
      number = SETS + this.#sets.push(members) - 1;
      this.#setNumbers.set(key, number);
    }
    return number;
  }

  /** The number for good, once all values are known. */
  settled(answer: number): number {
    if (answer === PLAIN) return this.plain;
    return answer < SETS ? answer : answer - SETS + FIRST + this.#values.size;
  }

  finish(): AnswerTable {
    const { octets, starts } = this.#values.finish();
    const [members, setStarts] = [new GrowingNumbers(), new GrowingNumbers()];
    setStarts.push(0);
    for (const set of this.#sets) {
      for (const member of set) members.push(member);
      setStarts.push(members.length);
    }
    return {
      values: { octets, starts },
      members: sharedWords(members.items),
      setStarts: sharedWords(setStarts.items),
    };
  }

  #members(answer: number): readonly number[] {
    return answer < SETS ? [answer] : this.#sets[answer - SETS]!;
  }
}
