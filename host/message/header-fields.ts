import {
  FIELD_FOLDED,
  FIELD_WORDS,
  FieldId,
  FieldWord,
  HeaderFlag,
  WINDOW,
  type Core,
} from '../../bindings/core/contract.ts';
import { fieldIdOf } from '../../bindings/core/field-names.ts';
import type { Header, LineEnds } from '../../bindings/plugin/message.ts';
import { checkFieldName, cleanValue, readValue, unfoldValue } from './field-text.ts';
import { cutBlocks, toLfBlocks } from './lf-blocks.ts';

const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const CASE = 0x20;

/** A field put above or below the original ones. */
interface Addition {
  readonly name: string;
  readonly lowerName: string;
  /** Without line ends at its end; folds as LF and blank. Undefined if `octets` has it. */
  readonly value: string | undefined;
  /** The field body of an original field that was moved, octet by octet. */
  readonly octets: Buffer | undefined;
}

/**
 * The header of one message: the octets that came in, an index over them, and edits kept apart. Names and values
 * become strings only when they are asked for.
 */
export class HeaderFields implements Header {
  /** Everything in front of the empty line. */
  readonly #block: Buffer;
  readonly #core: Core;
  /** `FIELD_WORDS` words a field. On the heap of V8, see `copyIndex`. */
  readonly #index: readonly number[];
  readonly #count: number;
  /** In the order of the calls: the last one stands on top. */
  readonly #above: Addition[] = [];
  readonly #below: Addition[] = [];
  #isRemoved: Uint8Array | undefined;
  /** An or of `HeaderFlag`s. */
  readonly flags: number;

  /**
   * Indexes `leading`, the first octets of a message, at most `MAX_HEADER_OCTETS`. `bodyOffset` of `core` then tells
   * where its header ends.
   */
  constructor(core: Core, leading: Buffer) {
    this.#core = core;
    this.#count = core.headers(leading);
    this.#index = copyIndex(core.fields, this.#count * FIELD_WORDS);
    this.#block = core.bodyOffset < 0 ? leading : leading.subarray(0, core.bodyOffset);
    this.flags = core.headerFlags;
  }

  /** Octets of the original header, the empty line not counted. */
  get octets(): number {
    return this.#block.length;
  }

  /** Fields the message came with, those included that cannot be read. */
  get fieldCount(): number {
    return this.#count;
  }

  get(name: string): string | undefined {
    const lowerName = name.toLowerCase();
    for (let i = this.#above.length - 1; i >= 0; i--) {
      if (this.#above[i]!.lowerName === lowerName) return additionValue(this.#above[i]!);
    }
    const field = this.#find(lowerName, 0);
    if (field >= 0) return this.#value(field);
    const below = this.#below.find((addition) => addition.lowerName === lowerName);
    return below === undefined ? undefined : additionValue(below);
  }

  all(name: string): readonly string[] {
    const lowerName = name.toLowerCase();
    const values: string[] = [];
    for (let i = this.#above.length - 1; i >= 0; i--) {
      if (this.#above[i]!.lowerName === lowerName) values.push(additionValue(this.#above[i]!));
    }
    values.push(...this.originals(name));
    for (const addition of this.#below) {
      if (addition.lowerName === lowerName) values.push(additionValue(addition));
    }
    return values;
  }

  /** Values of the fields `name` that the client sent and no plugin removed, top to bottom. */
  originals(name: string): string[] {
    const lowerName = name.toLowerCase();
    const values: string[] = [];
    for (let i = this.#find(lowerName, 0); i >= 0; i = this.#find(lowerName, i + 1))
      values.push(this.#value(i));
    return values;
  }

  count(name: string): number {
    const lowerName = name.toLowerCase();
    let count = 0;
    for (const addition of this.#above) if (addition.lowerName === lowerName) count++;
    for (const addition of this.#below) if (addition.lowerName === lowerName) count++;
    for (let i = this.#find(lowerName, 0); i >= 0; i = this.#find(lowerName, i + 1)) count++;
    return count;
  }

  names(): readonly string[] {
    const names = this.#above.map((addition) => addition.name).reverse();
    for (let i = 0; i < this.#count; i++) {
      if (this.#isThere(i)) {
        names.push(this.#block.latin1Slice(this.#word(i, FieldWord.name), this.#word(i, FieldWord.nameEnd)));
      }
    }
    for (const addition of this.#below) names.push(addition.name);
    return names;
  }

  prepend(name: string, value: string): void {
    this.#above.push(addition(name, cleanValue(value)));
  }

  append(name: string, value: string): void {
    this.#below.push(addition(name, cleanValue(value)));
  }

  remove(name: string): number {
    const lowerName = name.toLowerCase();
    let count = dropNamed(this.#above, lowerName) + dropNamed(this.#below, lowerName);
    for (let i = this.#find(lowerName, 0); i >= 0; i = this.#find(lowerName, i + 1)) {
      this.#drop(i);
      count++;
    }
    return count;
  }

  /**
   * Moves original fields `name` to the end of the header under another name, their bodies octet by octet. Only
   * those whose value `isMeant`. Fields that plugins added stay. Returns how many were moved.
   */
  moveOriginals(name: string, newName: string, isMeant: (value: string) => boolean): number {
    const lowerName = name.toLowerCase();
    let count = 0;
    for (let i = this.#find(lowerName, 0); i >= 0; i = this.#find(lowerName, i + 1)) {
      if (!isMeant(this.#value(i))) continue;
      const octets = this.#block.subarray(this.#word(i, FieldWord.value), this.#word(i, FieldWord.valueEnd));
      this.#below.push({ name: newName, lowerName: newName.toLowerCase(), value: undefined, octets });
      this.#drop(i);
      count++;
    }
    return count;
  }

  /** The header with all edits, the empty line not included; original octets as few views as possible. */
  render(lineEnds: LineEnds): Buffer[] {
    if (lineEnds === 'lf') return [...toLfBlocks(this.#core, cutBlocks(this.render('crlf'), WINDOW))];
    const blocks: Buffer[] = [];
    if (this.#above.length > 0) {
      let text = '';
      for (let i = this.#above.length - 1; i >= 0; i--) text += printAddition(this.#above[i]!);
      blocks.push(Buffer.from(text, 'utf8'));
    }
    this.#pushOriginals(blocks);
    if (this.#below.length === 0) return blocks;
    const last = blocks.at(-1);
    if (last !== undefined && last.length > 0 && last[last.length - 1] !== LF) blocks.push(CRLF);
    for (const { name, value, octets } of this.#below) {
      if (octets === undefined) blocks.push(Buffer.from(`${name}: ${wireFolds(value!)}\r\n`, 'utf8'));
      else blocks.push(Buffer.from(`${name}: `, 'latin1'), octets, CRLF);
    }
    return blocks;
  }

  #pushOriginals(blocks: Buffer[]): void {
    let from = this.#above.length > 0 ? this.#leadingFold() : 0;
    if (this.#isRemoved !== undefined) {
      for (let i = 0; i < this.#count; i++) {
        if (this.#isRemoved[i] === 0) continue;
        const start = this.#word(i, FieldWord.name);
        if (start > from) blocks.push(this.#block.subarray(from, start));
        from = Math.max(from, this.#word(i, FieldWord.next));
      }
    }
    if (from < this.#block.length) blocks.push(this.#block.subarray(from));
  }

  /**
   * Octets of the continuation lines a message may start with. They are left out under a field of ours: they would
   * become its end, and a client could write results into our Authentication-Results.
   */
  #leadingFold(): number {
    if ((this.flags & HeaderFlag.LeadingFold) === 0) return 0;
    const block = this.#block;
    let at = 0;
    while (at < block.length && (block[at] === SPACE || block[at] === TAB)) {
      const lineEnd = block.indexOf(LF, at);
      at = lineEnd < 0 ? block.length : lineEnd + 1;
    }
    return at;
  }

  #word(field: number, word: number): number {
    return this.#index[field * FIELD_WORDS + word]!;
  }

  #id(field: number): number {
    return this.#word(field, FieldWord.id) & ~FIELD_FOLDED;
  }

  #isThere(field: number): boolean {
    return this.#isRemoved?.[field] !== 1 && this.#id(field) !== FieldId.Malformed;
  }

  /** First field `lowerName` from `from` on, or -1. */
  #find(lowerName: string, from: number): number {
    const id = fieldIdOf(lowerName);
    for (let i = from; i < this.#count; i++) {
      if (this.#id(i) !== id || this.#isRemoved?.[i] === 1) continue;
      if (id !== FieldId.Other || this.#hasName(i, lowerName)) return i;
    }
    return -1;
  }

  #hasName(field: number, lowerName: string): boolean {
    const start = this.#word(field, FieldWord.name);
    if (this.#word(field, FieldWord.nameEnd) - start !== lowerName.length) return false;
    for (let i = 0; i < lowerName.length; i++) {
      const octet = this.#block[start + i]!;
      const lower = octet >= 0x41 && octet <= 0x5a ? octet | CASE : octet;
      if (lower !== lowerName.charCodeAt(i)) return false;
    }
    return true;
  }

  #value(field: number): string {
    const isFolded = (this.#word(field, FieldWord.id) & FIELD_FOLDED) !== 0;
    return readValue(
      this.#block,
      this.#word(field, FieldWord.value),
      this.#word(field, FieldWord.valueEnd),
      isFolded,
    );
  }

  #drop(field: number): void {
    (this.#isRemoved ??= new Uint8Array(this.#count))[field] = 1;
  }
}

const CRLF = Buffer.from('\r\n');

/**
 * No typed array: its memory lies outside the heap, 48 KB of it for the largest header, and V8 marks the whole heap whenever
 * so much has come together of that. An array dies young and costs nothing then.
 */
function copyIndex(fields: Int32Array, length: number): number[] {
  const index = new Array<number>(length);
  for (let at = 0; at < length; at++) index[at] = fields[at]!;
  return index;
}

const wireFolds = (value: string): string => value.replaceAll('\n', '\r\n');

function addition(name: string, value: string): Addition {
  checkFieldName(name);
  return { name, lowerName: name.toLowerCase(), value, octets: undefined };
}

function additionValue({ value, octets }: Addition): string {
  return octets === undefined ? unfoldValue(value!) : readValue(octets, 0, octets.length, true);
}

const printAddition = ({ name, value }: Addition): string => `${name}: ${wireFolds(value!)}\r\n`;

/** Takes the additions of that name out in place and returns how many there were. */
function dropNamed(additions: Addition[], lowerName: string): number {
  const kept = additions.filter((addition) => addition.lowerName !== lowerName);
  const count = additions.length - kept.length;
  if (count > 0) additions.splice(0, additions.length, ...kept);
  return count;
}
