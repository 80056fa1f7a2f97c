/** The domains of a `dnset`: a name itself, all below it, or both. */

import { NO_ANSWER, type AnswerPool } from './answers.ts';
import { GrowingNumbers, narrowed, type Numbers } from './shared-arrays.ts';
import { findText, hashStep, TextPool, type TextTable } from './text-pool.ts';

export interface NameTable {
  readonly names: TextTable;
  /** By number of the name: what is said of itself, and of all below it. */
  readonly own: Numbers;
  readonly below: Numbers;
}

const DOT = 0x2e;

export interface NameHit {
  readonly answer: number;
  /** Where the listed domain begins in the name: 0 for the name itself. */
  readonly start: number;
}

/** An entry for the name itself counts first, then the one for the nearest domain above. `name` is in lower case. */
export function findName({ names, own, below }: NameTable, name: string): NameHit | undefined {
  let hash = names.seed;
  let answer: number = NO_ANSWER;
  let start = 0;
  for (let at = name.length - 1; at >= 0; at--) {
    const code = name.charCodeAt(at);
    if (code === DOT) {
      const number = findText(names, hash, name, at + 1);
      if (number >= 0 && below[number] !== NO_ANSWER) {
        answer = below[number]!;
        start = at + 1;
      }
    }
    hash = hashStep(hash, code);
  }
  const number = findText(names, hash, name);
  if (number >= 0 && own[number] !== NO_ANSWER) return { answer: own[number]!, start: 0 };
  return answer === NO_ANSWER ? undefined : { answer, start };
}

export class NameBuilder {
  readonly #names: TextPool;
  readonly #own = new GrowingNumbers();
  readonly #below = new GrowingNumbers();

  constructor(seed: number) {
    this.#names = new TextPool(seed);
  }

  add(
    name: string,
    covers: { readonly own: boolean; readonly below: boolean },
    answer: number,
    answers: AnswerPool,
  ): void {
    const number = this.#names.add(name);
    for (const column of [this.#own, this.#below]) if (number === column.length) column.push(NO_ANSWER);
    if (covers.own) this.#own.set(number, answers.union(this.#own.at(number), answer));
    if (covers.below) this.#below.set(number, answers.union(this.#below.at(number), answer));
  }

  finish(answers: AnswerPool): NameTable {
    return {
      names: this.#names.finish(),
      own: narrowed(this.#own.items.map((answer) => answers.settled(answer))),
      below: narrowed(this.#below.items.map((answer) => answers.settled(answer))),
    };
  }
}
