/** Records and attribute lists, as the programs of Postfix send them to each other. */

/** The types cleanup takes from those who hand it a message. */
export const RecordType = {
  TIME: 'T',
  FROM: 'S',
  RECIPIENT: 'R',
  ATTRIBUTE: 'A',
  /** The content begins. */
  CONTENT: 'M',
  /** A line that goes on in the next record. */
  CONTINUED: 'L',
  /** A line, or its last part. */
  LINE: 'N',
  /** What cleanup finds in the header follows: nothing, from us. */
  EXTRACTED: 'X',
  END: 'E',
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** A type, the length in base 128 with the lowest digit first, and so many octets. */
export function record(type: RecordType, content: Buffer | string = ''): Buffer {
  const octets = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  const head = [type.charCodeAt(0)];
  let rest = octets.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  return Buffer.concat([Buffer.from(head), octets]);
}

/** Names and values, each after a NUL; an empty name ends the list. */
export function attributes(list: Readonly<Record<string, string | number>>): Buffer {
  const pairs = Object.entries(list).map(([name, value]) => `${name}\0${value}\0`);
  return Buffer.from(`${pairs.join('')}\0`, 'utf8');
}

/** Answers are short; anything longer is not cleanup. */
const MAX_ANSWER_OCTETS = 65_536;

/** Reads attribute lists out of what arrives. */
export class AttributeReader {
  #unread = Buffer.alloc(0);

  /** The next list if it is whole, `garbage` if what came is no list, else undefined. */
  take(block: Buffer = EMPTY): ReadonlyMap<string, string> | 'garbage' | undefined {
    this.#unread = block.length === 0 ? this.#unread : Buffer.concat([this.#unread, block]);
    const list = new Map<string, string>();
    let position = 0;
    for (;;) {
      const name = textAt(this.#unread, position);
      if (name === undefined) return this.#unread.length > MAX_ANSWER_OCTETS ? 'garbage' : undefined;
      position += Buffer.byteLength(name, 'latin1') + 1;
      if (name === '') break;
      if (!/^[a-z][a-z_-]{0,63}$/.test(name)) return 'garbage';
      const value = textAt(this.#unread, position);
      if (value === undefined) return this.#unread.length > MAX_ANSWER_OCTETS ? 'garbage' : undefined;
      position += Buffer.byteLength(value, 'latin1') + 1;
      list.set(name, value);
    }
    this.#unread = this.#unread.subarray(position);
    return list;
  }
}

const EMPTY = Buffer.alloc(0);

/** One character per octet, up to the next NUL. */
function textAt(octets: Buffer, start: number): string | undefined {
  const end = octets.indexOf(0, start);
  return end === -1 ? undefined : octets.toString('latin1', start, end);
}
