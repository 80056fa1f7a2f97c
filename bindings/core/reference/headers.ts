import { FIELD_FOLDED, FIELD_WORDS, FieldId, FieldWord, HeaderFlag } from '../contract.ts';
import { MAX_HEADER_FIELDS, MAX_HEADER_OCTETS } from '../contract.ts';
import { FIELD_NAMES } from '../field-names.ts';

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const FIRST_GRAPHIC = 0x21;
const LAST_GRAPHIC = 0x7e;

export interface HeaderIndex {
  readonly count: number;
  readonly bodyOffset: number;
  readonly flags: number;
}

/** Indexes the header at the beginning of `block` (RFC 5322 section 2.2); see `Core.headers`. */
export function indexHeader(block: Uint8Array, fields: Int32Array): HeaderIndex {
  const octets = block.subarray(0, MAX_HEADER_OCTETS);
  let flags = isBlank(octets[0]) ? HeaderFlag.LeadingFold : 0;
  let count = 0;
  let at = 0;
  const spare = new Int32Array(FIELD_WORDS);
  while (at < octets.length) {
    const isEmptyLine = octets[at] === LF || (octets[at] === CR && octets[at + 1] === LF);
    if (isEmptyLine) return { count, bodyOffset: at, flags };
    const isIndexed = count < MAX_HEADER_FIELDS;
    const field = isIndexed ? fields.subarray(count * FIELD_WORDS, (count + 1) * FIELD_WORDS) : spare;
    if (isIndexed) count++;
    else flags |= HeaderFlag.TooManyFields;
    if (!readField(octets, at, field)) flags |= HeaderFlag.Malformed;
    at = field[FieldWord.next]!;
  }
  return { count, bodyOffset: -1, flags: flags | HeaderFlag.Unfinished };
}

/** Reads the field that starts at `line` with its continuation lines; false if it is malformed. */
function readField(octets: Uint8Array, line: number, field: Int32Array): boolean {
  let nameEnd = line;
  while (isFieldText(octets[nameEnd])) nameEnd++;
  const colon = skipBlanks(octets, nameEnd);
  const isField = nameEnd > line && octets[colon] === COLON;
  const value = isField ? skipBlanks(octets, colon + 1) : line;
  if (!isField) nameEnd = line;

  let next = behindLf(octets, value);
  let folded = 0;
  while (octets[next - 1] === LF && isBlank(octets[next])) {
    folded = FIELD_FOLDED;
    next = behindLf(octets, next);
  }
  field[FieldWord.name] = line;
  field[FieldWord.nameEnd] = nameEnd;
  field[FieldWord.value] = value;
  field[FieldWord.valueEnd] = withoutLineEnd(octets, value, next);
  field[FieldWord.id] = folded | (isField ? findFieldId(octets.subarray(line, nameEnd)) : FieldId.Malformed);
  field[FieldWord.next] = next;
  return isField;
}

/** The position after the first LF from `from` on, or the end. */
function behindLf(octets: Uint8Array, from: number): number {
  const lf = octets.indexOf(LF, from);
  return lf === -1 ? octets.length : lf + 1;
}

function withoutLineEnd(octets: Uint8Array, from: number, next: number): number {
  if (octets[next - 1] !== LF) return next;
  return next - 2 >= from && octets[next - 2] === CR ? next - 2 : next - 1;
}

function skipBlanks(octets: Uint8Array, from: number): number {
  let at = from;
  while (isBlank(octets[at])) at++;
  return at;
}

function findFieldId(name: Uint8Array): number {
  return FIELD_NAMES.get(Buffer.from(name).latin1Slice().toLowerCase()) ?? FieldId.Other;
}

const isBlank = (octet: number | undefined): boolean => octet === SP || octet === HT;

const isFieldText = (octet: number | undefined): boolean =>
  octet !== undefined && octet >= FIRST_GRAPHIC && octet <= LAST_GRAPHIC && octet !== COLON;
