/** Networks of which the smallest around an address answers: `ip4trie`, `ip6trie`, `ip6tset`. */

import { halvesOf } from './address-halves.ts';
import { NO_ANSWER, type AnswerPool } from './answers.ts';
import {
  GrowingNumbers,
  narrowed,
  sharedOctets,
  sharedWords,
  sortedOrder,
  type Numbers,
} from './shared-arrays.ts';

/** Networks, each before those within it. */
export interface PrefixTable {
  /** Words of 32 bits in an address: 1; 2 for IPv6 networks of up to 64 bits, 4 for longer ones. */
  readonly words: number;
  readonly addresses: Uint32Array;
  /** Bits of each network. */
  readonly lengths: Uint8Array;
  /** The number of the smallest network around each, counted from 1; 0 if there is none. Empty if no network has one. */
  readonly parents: Uint32Array;
  readonly answers: Numbers;
  /** Of the addresses. */
  readonly halves: Uint32Array;
}

/** Undefined if no network has the address, of which at least `words` words stand in `address`. */
export function findPrefix(table: PrefixTable, address: Uint32Array): number | undefined {
  const { answers, halves, parents } = table;
  let low = 0;
  let high = answers.length;
  if (halves.length > 0) {
    low = halves[address[0]! >>> 16]!;
    high = halves[(address[0]! >>> 16) + 1]!;
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(table, middle, address)) high = middle;
    else low = middle + 1;
  }
  for (let network = low - 1; network >= 0; network = (parents[network] ?? 0) - 1)
    if (contains(table, network, address)) return answers[network]!;
  return undefined;
}

function isAfter({ addresses, words }: PrefixTable, network: number, address: Uint32Array): boolean {
  for (let word = 0, at = network * words; word < words; word++, at++) {
    const own = addresses[at]!;
    const other = address[word]!;
    if (own !== other) return own > other;
  }
  return false;
}

function contains(
  table: Pick<PrefixTable, 'addresses' | 'lengths' | 'words'>,
  network: number,
  address: Uint32Array,
): boolean {
  let bits = table.lengths[network]!;
  for (let word = 0, at = network * table.words; bits > 0; word++, at++, bits -= 32) {
    const differing = table.addresses[at]! ^ address[word]!;
    if ((bits >= 32 ? differing : differing >>> (32 - bits)) !== 0) return false;
  }
  return true;
}

export class PrefixBuilder {
  readonly #words: number;
  readonly #columns: readonly GrowingNumbers[];
  readonly #lengths = new GrowingNumbers();
  readonly #answers = new GrowingNumbers();
  readonly #lines = new GrowingNumbers();

  constructor(words: number) {
    this.#words = words;
    this.#columns = Array.from({ length: words }, () => new GrowingNumbers());
  }

  get size(): number {
    return this.#lengths.length;
  }

  add(address: ArrayLike<number>, length: number, answer: number, line: number): void {
    for (const [word, column] of this.#columns.entries()) column.push(address[word]!);
    this.#lengths.push(length);
    this.#answers.push(answer);
    this.#lines.push(line);
  }

  /** Of several lines for one network the first counts; `reject` hears of the others. */
  finish(answers: AnswerPool, reject: (line: number, problem: string) => void): PrefixTable {
    const words = this.#words;
    const keys = [...this.#columns.map(({ items }) => items), this.#lengths.items];
    const order = sortedOrder(keys, this.size);
    const addresses = new Uint32Array(this.size * words);
    const lengths = new Uint8Array(this.size);
    const parents = new Uint32Array(this.size);
    const found = new Uint32Array(this.size);
    const table = { words, addresses, lengths };
    const address = new Uint32Array(words);
    let count = 0;
    let isNested = false;
    for (const index of order) {
      for (let word = 0; word < words; word++) address[word] = this.#columns[word]!.at(index);
      const length = this.#lengths.at(index);
      let parent = count;
      while (parent > 0 && !contains(table, parent - 1, address)) parent = parents[parent - 1]!;
      if (parent > 0 && lengths[parent - 1] === length) {
        reject(this.#lines.at(index), 'the same network stands in a line before');
        continue;
      }
      addresses.set(address, count * words);
      lengths[count] = length;
      parents[count] = parent;
      found[count++] = answers.settled(this.#answers.at(index));
      isNested ||= parent > 0;
    }
    const kept = sharedWords(addresses.subarray(0, count * words));
    return {
      words,
      addresses: kept,
      halves: halvesOf(kept, words),
      lengths: sharedOctets(lengths.subarray(0, count)),
      parents: sharedWords(isNested ? parents.subarray(0, count) : new Uint32Array(0)),
      answers: narrowed(found.subarray(0, count)),
    };
  }
}

/** The first of the tables that has a network around the address answers: those of longer networks come first. */
export function findInTables(tables: readonly PrefixTable[], address: Uint32Array): number {
  for (const table of tables) {
    const answer = findPrefix(table, address);
    if (answer !== undefined) return answer;
  }
  return NO_ANSWER;
}
