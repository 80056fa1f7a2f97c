/** The best this project could do for header fields in JavaScript alone: octets for names, the native search for lines. */

import { FIELD_FOLDED, FIELD_WORDS, FieldId, FieldWord, MAX_HEADER_FIELDS } from '../../bindings/core.ts';
import { FIELD_NAMES } from '../../bindings/core/field-names.ts';
import type { HeaderReader } from './contestant.ts';
import { readFields } from './core-contestants.ts';

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;

interface KnownName {
  readonly octets: Buffer;
  readonly id: number;
}

/** Known names by their length: at most a handful to compare. */
const KNOWN: readonly (readonly KnownName[])[] = Array.from({ length: 64 }, (_, length) =>
  [...FIELD_NAMES]
    .filter(([name]) => name.length === length)
    .map(([name, id]) => ({ octets: Buffer.from(name, 'latin1'), id })),
);

export class BestHeaders implements HeaderReader {
  readonly name = 'best JavaScript';
  readonly way = "octets for the name, Buffer's indexOf for the line end, the same table of numbers";
  readonly fields = new Int32Array(MAX_HEADER_FIELDS * FIELD_WORDS);

  index(block: Buffer): number {
    const { fields } = this;
    const { length } = block;
    let count = 0;
    let at = 0;
    while (at < length && count < MAX_HEADER_FIELDS) {
      if (block[at] === LF || (block[at] === CR && block[at + 1] === LF)) return count;
      at = readField(block, at, fields, count * FIELD_WORDS);
      count++;
    }
    return count;
  }

  read(block: Buffer): readonly string[] {
    return readFields(block, this.index(block), this.fields);
  }
}

/** Writes the field that begins at `line`; returns where the next one begins. */
function readField(block: Buffer, line: number, fields: Int32Array, base: number): number {
  let nameEnd = line;
  let octet = block[nameEnd]!;
  while (octet > SP && octet < 0x7f && octet !== COLON) octet = block[++nameEnd]!;
  let value = nameEnd;
  while (block[value] === SP || block[value] === HT) value++;
  const isField = nameEnd > line && block[value] === COLON;
  if (isField) {
    value++;
    while (block[value] === SP || block[value] === HT) value++;
  } else {
    nameEnd = line;
    value = line;
  }
  let next = behindLf(block, value);
  let folded = 0;
  while (block[next] === SP || block[next] === HT) {
    folded = FIELD_FOLDED;
    next = behindLf(block, next);
  }
  fields[base + FieldWord.name] = line;
  fields[base + FieldWord.nameEnd] = nameEnd;
  fields[base + FieldWord.value] = value;
  fields[base + FieldWord.valueEnd] =
    block[next - 1] !== LF ? next : block[next - 2] === CR ? next - 2 : next - 1;
  fields[base + FieldWord.id] = folded | (isField ? idOf(block, line, nameEnd) : FieldId.Malformed);
  fields[base + FieldWord.next] = next;
  return next;
}

function behindLf(block: Buffer, from: number): number {
  const lf = block.indexOf(LF, from);
  return lf === -1 ? block.length : lf + 1;
}

function idOf(block: Buffer, from: number, to: number): number {
  const candidates = KNOWN[to - from];
  if (candidates === undefined) return FieldId.Other;
  for (const { octets, id } of candidates) {
    let index = 0;
    while (index < octets.length && lower(block[from + index]!) === octets[index]) index++;
    if (index === octets.length) return id;
  }
  return FieldId.Other;
}

const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet);
