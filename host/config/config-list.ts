/** The lines of a configuration name, over all the files they come from, and what is often asked about them. */

import type { PlacedLine } from '../../bindings/lists/placed-line.ts';
import type { Place } from '../errors/error-classes.ts';

const FALSE_WORDS = new Set(['', '0', 'no', 'off', 'false']);
const NUMBER = /^[+-]?\d{1,16}(\.\d{1,16})?$/;

/** Values that count as false in a file that says yes or no. */
export const meansFalse = (word: string): boolean => FALSE_WORDS.has(word.toLowerCase());

/**
 * A finished list. Line numbers are kept apart from the texts and places made on demand: a list of a million
 * addresses must not cost three objects a line.
 */
export class ConfigList {
  readonly lines: readonly string[];
  /** The first line. */
  readonly first: string | undefined;
  /** The first line as a number; NaN if it is missing or is none. */
  readonly number: number;
  /** True unless the list is empty or starts with `0`, `no`, `off` or `false`. */
  readonly isTrue: boolean;
  readonly #numbers: readonly number[];
  readonly #stretches: readonly LineRange[];

  constructor(lines: string[], numbers: readonly number[], stretches: readonly LineRange[]) {
    this.lines = Object.freeze(lines);
    this.#numbers = numbers;
    this.#stretches = stretches;
    this.first = lines[0];
    this.number = this.first !== undefined && NUMBER.test(this.first) ? Number(this.first) : NaN;
    this.isTrue = !meansFalse(this.first ?? '');
  }

  /** Where the line at `index`, counted from 0, stands; undefined if there is none. */
  place(index: number): Place | undefined {
    if (index >= this.lines.length) return undefined;
    const stretch = this.#stretches.findLast(({ from }) => from <= index);
    return stretch && placeAt(stretch.file, this.#numbers[index]);
  }

  placed(): PlacedLine[] {
    const placed: PlacedLine[] = [];
    this.#stretches.forEach(({ file, from }, index) => {
      const to = this.#stretches[index + 1]?.from ?? this.lines.length;
      for (let at = from; at < to; at++) {
        placed.push({ text: this.lines[at]!, place: placeAt(file, this.#numbers[at]) });
      }
    });
    return placed;
  }
}

const placeAt = (file: string, line: number | undefined): Place =>
  line === undefined ? { file } : { file, line };

/** Lines from index `from` on come from `file`. */
export interface LineRange {
  readonly file: string;
  readonly from: number;
}

/** Collects the lines of a list while files are read. */
export class ListBuilder {
  readonly #lines: string[] = [];
  readonly #numbers: number[] = [];
  readonly #stretches: LineRange[] = [];

  add(text: string, file: string, line: number): void {
    if (this.#stretches.at(-1)?.file !== file) this.#stretches.push({ file, from: this.#lines.length });
    this.#lines.push(text);
    this.#numbers.push(line);
  }

  finish(): ConfigList {
    return new ConfigList(this.#lines, this.#numbers, this.#stretches);
  }
}

/** A list that stands in no file; `file` is what errors name instead. */
export const givenList = (lines: readonly string[], file: string): ConfigList =>
  new ConfigList([...lines], [], [{ file, from: 0 }]);

export const emptyList = new ConfigList([], [], []);
