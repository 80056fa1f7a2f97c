/** A message as signatures cover it: the fields of its header octet by octet, and its body. RFC 6376 sections 3.4 and 5.4.2. */

import type { Message } from '../../bindings/plugin/index.ts';

export interface RawField {
  /** The name in lower case, and as written. */
  readonly key: string;
  readonly casedKey: string;
  /** Name and body without the line end after them; folds stand in it. */
  readonly line: Buffer;
}

export interface SplitMessage {
  /** From top to bottom. */
  readonly fields: readonly RawField[];
  /** The octets after the empty line, lines ended by CRLF. To be read once. */
  readonly body: AsyncIterable<Buffer>;
  /** To be called in the end, whether the body was read or not: a file may be open. */
  close(): Promise<unknown>;
}

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const EMPTY = Buffer.alloc(0);
const END = Buffer.from('\r\n\r\n');
/** Above what the daemon takes as a header, with the fields it has added itself. */
const MAX_OCTETS = 524_288;

/** Reads the header at once, and the body block by block while it is iterated over. */
export async function splitMessage(message: Message): Promise<SplitMessage> {
  const blocks = blocksOf(message);
  const close = (): Promise<unknown> => blocks.return();
  try {
    const [head, first] = await readHead(blocks);
    return { fields: rawFields(head), body: restOf(blocks, first), close };
  } catch (failure) {
    await close();
    throw failure;
  }
}

/** The header, and the octets after the empty line that have come with it. */
async function readHead(
  blocks: AsyncGenerator<Buffer, void>,
): Promise<readonly [head: Buffer, rest: Buffer]> {
  let head: Buffer = EMPTY;
  for (;;) {
    const { done, value } = await blocks.next();
    if (done === true) return [head, EMPTY];
    const from = Math.max(0, head.length - END.length);
    head = head.length === 0 ? value : Buffer.concat([head, value]);
    if (head[0] === CR && head[1] === LF) return [EMPTY, head.subarray(2)];
    const end = head.indexOf(END, from);
    if (end >= 0) return [head.subarray(0, end), head.subarray(end + END.length)];
    if (head.length > MAX_OCTETS) throw new Error(`a header of more than ${MAX_OCTETS} octets`);
  }
}

async function* blocksOf(message: Message): AsyncGenerator<Buffer, void> {
  for await (const block of message.blocks('crlf')) yield block;
}

async function* restOf(blocks: AsyncGenerator<Buffer, void>, first: Buffer): AsyncGenerator<Buffer, void> {
  if (first.length > 0) yield first;
  yield* blocks;
}

/** The beginning of a field; a fold may stand between name and colon. RFC 5322 section 4.5.8. */
const FIELD = /([!-9;-~]+)[ \t]*(?:\r\n[ \t]*)?:/y;

/**
 * The fields of a header block. A line that begins none belongs to the field above it, whatever it looks like: that can
 * only add to what is signed. In linear time, as a sender may send a header of one-octet lines.
 */
export function rawFields(head: Buffer): RawField[] {
  const text = head.latin1Slice();
  const fields: RawField[] = [];
  let name = '';
  let start = 0;
  const close = (end: number): void => {
    if (name !== '') fields.push({ key: asciiLower(name), casedKey: name, line: head.subarray(start, end) });
  };
  for (let at = 0, next = 0; next >= 0; at = next + 2) {
    next = text.indexOf('\r\n', at);
    const first = text.charCodeAt(at);
    if (first === SPACE || first === TAB) continue;
    FIELD.lastIndex = at;
    const begun = FIELD.exec(text)?.[1];
    if (begun === undefined) continue;
    close(at - 2);
    name = begun;
    start = at;
  }
  close(trimmedLength(head));
  return fields;
}

/** Without line ends at the end. */
function trimmedLength(head: Buffer): number {
  let end = head.length;
  while (end > 1 && head[end - 1] === LF && head[end - 2] === CR) end -= 2;
  return end;
}

const asciiLower = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Relaxed canonicalization of a field, without a line end. RFC 6376 section 3.4.2. */
export function relaxedField(line: Buffer): string {
  const text = line.latin1Slice().replace(/\r\n/g, '');
  const colon = text.indexOf(':');
  const name = asciiLower(text.slice(0, colon)).replace(/[ \t]+$/, '');
  const body = text
    .slice(colon + 1)
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '');
  return `${name}:${body}`;
}
