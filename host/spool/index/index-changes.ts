/**
 * What pieces of work have read of the index and want to change in it: no other work sees it before it is committed.
 */

import type { IndexRecords } from './index-database.ts';
import { keys, ownerOf, partsOf, type KeyOwner } from './index-keys.ts';

/** Where records are read that have not been changed. Keys come in order. */
export interface CommittedRecords {
  get(key: string): string | undefined;
  keysFrom(start: string): Iterable<string>;
}

/** Messages, and destinations, that share a mark: work on two of them may have to be done again for nothing. */
const MESSAGE_MARKS = 1_024;
const DESTINATION_MARKS = 64;

/**
 * Marks stand for groups of keys, and are changed with them. Work counts only if the marks of all it has read are still the
 * same: then it is as if no other process had written anything meanwhile. A message nobody knew has no mark; that nobody
 * knows it has to stay true instead. Keys that appear in a range after it was read are as good as keys that came later, but
 * for the claims, which are counted, and for a destination that nothing is ready for, which is closed.
 */
export class IndexChanges implements IndexRecords {
  /** Keys of messages that must still be missing. */
  readonly missing = new Set<string>();
  readonly readMarks = new Set<string>();
  readonly changedMarks = new Set<string>();
  readonly #committed: CommittedRecords;
  /** By the letter a key begins with, so that a look at one kind of keys does not pass all others. */
  readonly #kinds = new Map<string, Map<string, string | undefined>>();
  /** The marks of what was read, by name. */
  readonly #read: Readonly<Record<KeyOwner['kind'], Map<string, string | undefined>>> = {
    message: new Map(),
    destination: new Map(),
    total: new Map(),
  };

  constructor(committed: CommittedRecords) {
    this.#committed = committed;
  }

  get isEmpty(): boolean {
    return this.#kinds.size === 0;
  }

  get(key: string): string | undefined {
    this.#noteRead(ownerOf(key));
    const kind = this.#kinds.get(key[0]!);
    return kind?.has(key) === true ? kind.get(key) : this.#committed.get(key);
  }

  put(key: string, value: string): void {
    // A destination that is open stays open: work that only repeats that conflicts with none.
    if (key.startsWith('o/') && this.get(key) === value) return;
    this.#change(key, value);
  }

  remove(key: string): void {
    this.#change(key, undefined);
  }

  keys(prefix: string, limit: number, start = prefix): string[] {
    const kind = this.#kinds.get(prefix[0]!);
    const added = kind === undefined ? [] : addedIn(kind, prefix, start);
    const found: string[] = [];
    let next = 0;
    for (const key of this.#committed.keysFrom(start)) {
      if (found.length >= limit || !key.startsWith(prefix)) break;
      while (next < added.length && added[next]! < key) found.push(added[next++]!);
      if (added[next] === key) next++;
      if (kind?.has(key) !== true || kind.get(key) !== undefined) found.push(key);
    }
    while (found.length < limit && next < added.length) found.push(added[next++]!);
    this.#noteRange(prefix, found.length === 0);
    return found.slice(0, limit);
  }

  /** Every changed key once, with its value, or undefined where it is to be removed. */
  *entries(): Iterable<readonly [key: string, value: string | undefined]> {
    for (const kind of this.#kinds.values()) yield* kind;
  }

  #change(key: string, value: string | undefined): void {
    const letter = key[0]!;
    let kind = this.#kinds.get(letter);
    if (kind === undefined) this.#kinds.set(letter, (kind = new Map()));
    kind.set(key, value);
    const mark = this.#noteRead(ownerOf(key));
    if (mark !== undefined) this.changedMarks.add(mark);
    if (value === undefined) return;
    if (letter === 'c') this.changedMarks.add(CLAIMS);
    if (letter === 'r') this.changedMarks.add(readyMark(partsOf(key)[0]!));
  }

  /** The mark of the owner; undefined for a message that nobody knows. */
  #noteRead(owner: KeyOwner): string | undefined {
    const { kind, name } = owner;
    const ofKind = this.#read[kind];
    if (ofKind.has(name)) return ofKind.get(name);
    const isKnown = kind !== 'message' || this.#committed.get(keys.message(name)) !== undefined;
    const mark = isKnown ? markOf(owner) : undefined;
    ofKind.set(name, mark);
    if (mark === undefined) this.missing.add(keys.message(name));
    else this.readMarks.add(mark);
    return mark;
  }

  #noteRange(prefix: string, isEmpty: boolean): void {
    const [letter, name] = [prefix[0]!, partsOf(prefix)[0]!];
    if (letter === 's' || letter === 'u') this.#noteRead({ kind: 'message', name });
    else if (letter === 'c') this.readMarks.add(CLAIMS);
    else if (letter === 'r' && isEmpty) this.readMarks.add(readyMark(name));
  }
}

const CLAIMS = 'claims';

const readyMark = (dest: string): string => `ready ${hash(dest) % DESTINATION_MARKS}`;

function markOf({ kind, name }: KeyOwner): string {
  if (kind === 'total') return `total ${name}`;
  return `${kind} ${hash(name) % (kind === 'message' ? MESSAGE_MARKS : DESTINATION_MARKS)}`;
}

/** FNV-1a. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193);
  return sum >>> 0;
}

/** Keys are ASCII, so that JavaScript and LMDB have them in the same order. */
function addedIn(
  kind: ReadonlyMap<string, string | undefined>,
  prefix: string,
  start: string,
): readonly string[] {
  const added: string[] = [];
  for (const [key, value] of kind) {
    if (value !== undefined && key >= start && key.startsWith(prefix)) added.push(key);
  }
  return added.sort();
}
