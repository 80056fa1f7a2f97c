/**
 * The text parts of a message, decoded, while its body comes by: RFC 2046. One pass, memory that does not grow with the message, and
 * bounds for whatever the sender says about its form. What is beyond a bound, or no part at all, is read as plain text.
 */

import { readPartHeader, type PartHeader } from './media-type.ts';
import { charsetDecoding, EntityDecoding } from './text-decoding.ts';
import { decodingOf, type Decoding } from './transfer-decoding.ts';

/** Takes one text after the other. */
export interface TextReader {
  write(octets: Buffer): void;
  end(): void;
}

export interface WalkLimits {
  /** Multiparts and messages within each other. */
  readonly depth: number;
  readonly parts: number;
  /** Octets of decoded text. */
  readonly textOctets: number;
  /** Lines that begin as a boundary does, and are none. */
  readonly falseBoundaries: number;
}

export const WALK_LIMITS: WalkLimits = {
  depth: 32,
  parts: 1_000,
  textOctets: 10_485_760,
  falseBoundaries: 100_000,
};

const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;
const NOTHING = Buffer.alloc(0);
/** Longer lines of the header of a part are cut. */
const MAX_HEADER_LINE = 8_192;
/** Lines of the header of a part that are kept. */
const MAX_HEADER_LINES = 500;
/** Longer lines are no boundaries. */
const MAX_BOUNDARY_LINE = 300;
const BEFORE_BOUNDARY = Buffer.from('\n--');
const KEPT_FIELD = /^content-(?:type|transfer-encoding|disposition)\s*:/i;
const TEXT_FILE = /\.(?:html?|shtml|xhtml|txt|ics|eml|svg)\s*$/i;
const MARKUP = /^(?:text\/(?:html|xml|x-amp-html)|application\/(?:xhtml\+xml|xml)|image\/svg\+xml)$/;
const MARKUP_FILE = /\.(?:html?|shtml|xhtml|svg)\s*$/i;
const PLAIN = readPartHeader(() => undefined);

/** The body is handed in with LF as line end. */
export class MimeWalk {
  /** Bounds that were met, for the log. */
  readonly exceeded = new Set<string>();
  readonly #reader: TextReader;
  readonly #limits: WalkLimits;
  /** Of the multiparts around the octets that come next, from the outermost to the innermost. */
  readonly #boundaries: string[] = [];
  /** What lies between the octets of a part and its reader; undefined: the part is no text. */
  #decodings: readonly Decoding[] | undefined = undefined;
  /** Lines of the header of a part, while it comes. */
  #header: string[] | undefined = undefined;
  #rest = NOTHING;
  #isAtLineStart = true;
  #isInLongLine = false;
  #isFieldKept = false;
  #depth = 0;
  #parts = 0;
  #textOctets = 0;
  #falseBoundaries = 0;

  /** `header`: of the message. */
  constructor(header: PartHeader, reader: TextReader, limits: WalkLimits = WALK_LIMITS) {
    this.#reader = reader;
    this.#limits = limits;
    this.#enter(header);
  }

  /** True once nothing more can be found: the rest need not be handed in. */
  get isOver(): boolean {
    return this.#textOctets > this.#limits.textOctets;
  }

  write(block: Buffer): void {
    const octets = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block]);
    this.#rest = NOTHING;
    const read = this.#read(octets, false);
    if (read < octets.length) this.#rest = Buffer.from(octets.subarray(read));
  }

  end(): void {
    const rest = this.#rest;
    this.#rest = NOTHING;
    this.#read(rest, true);
    this.#leave();
  }

  /** Returns how far it came: what follows is a line whose end decides what it is. */
  #read(octets: Buffer, isEnd: boolean): number {
    let at = 0;
    while (at < octets.length && !this.isOver) {
      const next =
        this.#header === undefined ? this.#readBody(octets, at, isEnd) : this.#readHeader(octets, at, isEnd);
      if (next === at) return at;
      at = next;
    }
    return octets.length;
  }

  #readHeader(octets: Buffer, at: number, isEnd: boolean): number {
    const header = this.#header!;
    const lf = octets.indexOf(LF, at);
    if (lf < 0 && !isEnd) {
      if (octets.length - at < MAX_HEADER_LINE) return at;
      if (!this.#isInLongLine) this.#keepLine(header, octets.latin1Slice(at, octets.length));
      this.#isInLongLine = true;
      return octets.length;
    }
    const end = lf < 0 ? octets.length : lf;
    const next = lf < 0 ? end : lf + 1;
    if (this.#isInLongLine) {
      this.#isInLongLine = false;
      return next;
    }
    const line = octets.latin1Slice(at, octets[end - 1] === CR && end > at ? end - 1 : end);
    const isField = /^[ \t]|^[!-9;-~]+[ \t]*:/.test(line);
    if (line === '' || !(isField || line.startsWith('--'))) {
      this.#header = undefined;
      this.#isAtLineStart = true;
      this.#enter(readLines(header));
      // Without an empty line the body begins with the first line that is no field, as readers take it.
      if (line !== '') return this.#readBody(octets, at, isEnd);
    } else if (line.startsWith('--') && this.#boundaryOf(line) >= 0) this.#cross(line);
    else this.#keepLine(header, line);
    return next;
  }

  #keepLine(header: string[], line: string): void {
    // A folded line belongs to the field above it, which may not have been kept.
    if (!/^[ \t]/.test(line)) this.#isFieldKept = KEPT_FIELD.test(line);
    if (this.#isFieldKept && header.length < MAX_HEADER_LINES) header.push(line.slice(0, MAX_HEADER_LINE));
  }

  #readBody(octets: Buffer, at: number, isEnd: boolean): number {
    if (this.#boundaries.length === 0) {
      this.#pass(octets.subarray(at));
      return octets.length;
    }
    if (this.#isAtLineStart) {
      const next = this.#readLineStart(octets, at, isEnd);
      if (next !== undefined) return next;
    }
    const found = octets.indexOf(BEFORE_BOUNDARY, at);
    if (found >= 0) {
      this.#pass(octets.subarray(at, found + 1));
      this.#isAtLineStart = true;
      return found + 1;
    }
    this.#isAtLineStart = octets[octets.length - 1] === LF;
    if (
      !isEnd &&
      octets[octets.length - 1] === HYPHEN &&
      octets[octets.length - 2] === LF &&
      octets.length - 2 >= at
    ) {
      this.#pass(octets.subarray(at, octets.length - 1));
      this.#isAtLineStart = true;
      return octets.length - 1;
    }
    this.#pass(octets.subarray(at));
    return octets.length;
  }

  /** Undefined if the line is content; where to go on, or `at` if that has to be waited for. */
  #readLineStart(octets: Buffer, at: number, isEnd: boolean): number | undefined {
    const left = octets.length - at;
    if (octets[at] !== HYPHEN || (left > 1 && octets[at + 1] !== HYPHEN)) return undefined;
    const lf = octets.indexOf(LF, at);
    const length = lf < 0 ? left : lf - at;
    if (length > MAX_BOUNDARY_LINE) return this.#countFalse();
    if (lf < 0 && !isEnd) return at;
    const end = at + length;
    const line = octets.latin1Slice(at, end);
    if (this.#boundaryOf(line) < 0) return this.#countFalse();
    this.#cross(line);
    return lf < 0 ? end : end + 1;
  }

  /** A line that only begins as boundaries do. To compare many of them with many boundaries is work that a sender could cause. */
  #countFalse(): undefined {
    this.#falseBoundaries++;
    if (this.#falseBoundaries <= this.#limits.falseBoundaries) return;
    this.exceeded.add(`${this.#limits.falseBoundaries} lines that begin as boundaries do`);
    this.#boundaries.length = 0;
  }

  /** The number of the innermost multipart whose boundary the line is; -1 for none. RFC 2046 section 5.1.1. */
  #boundaryOf(line: string): number {
    const name = line.trimEnd().slice(2);
    const closed = name.endsWith('--') ? name.slice(0, -2) : undefined;
    for (let index = this.#boundaries.length - 1; index >= 0; index--) {
      const boundary = this.#boundaries[index]!;
      if (boundary === name || boundary === closed) return index;
    }
    return -1;
  }

  /** A part, or the last one, has ended, with all that is within it. */
  #cross(line: string): void {
    this.#leave();
    const index = this.#boundaryOf(line);
    const isLast = this.#boundaries[index] !== line.trimEnd().slice(2);
    this.#boundaries.length = isLast ? index : index + 1;
    this.#depth = this.#boundaries.length;
    this.#isAtLineStart = true;
    this.#isInLongLine = false;
    // What follows the last part is for nobody, but some readers show it.
    if (isLast || ++this.#parts > this.#limits.parts) {
      if (!isLast) this.exceeded.add(`${this.#limits.parts} parts`);
      this.#header = undefined;
      this.#open(PLAIN);
    } else this.#header = [];
  }

  /** The body that belongs to `header` begins. */
  #enter(header: PartHeader): void {
    const { type, boundary, encoding } = header;
    const isMessage = (type === 'message/rfc822' || type === 'message/global') && encoding === 'identity';
    const isMultipart = type.startsWith('multipart/') && boundary !== undefined;
    if ((isMessage || isMultipart) && ++this.#depth > this.#limits.depth)
      this.exceeded.add(`${this.#limits.depth} parts within each other`);
    else if (isMessage) return void (this.#header = []);
    else if (isMultipart) this.#boundaries.push(boundary);
    // What stands before the first part is for readers that do not know of parts.
    this.#open(isMultipart ? PLAIN : header);
  }

  #open({ type, encoding, charset, fileName = '' }: PartHeader): void {
    const isText =
      type === '' ||
      /^(?:text|message|multipart)\//.test(type) ||
      MARKUP.test(type) ||
      TEXT_FILE.test(fileName);
    if (!isText) return void (this.#decodings = undefined);
    const isMarkup = MARKUP.test(type) || MARKUP_FILE.test(fileName);
    this.#decodings = [
      decodingOf(encoding),
      charsetDecoding(charset),
      isMarkup ? new EntityDecoding() : undefined,
    ].filter((decoding) => decoding !== undefined);
  }

  /** The part has ended. */
  #leave(): void {
    const decodings = this.#decodings;
    this.#decodings = undefined;
    if (decodings === undefined) return;
    decodings.forEach((decoding, index) => this.#hand(decoding.end(), decodings.slice(index + 1)));
    this.#reader.end();
  }

  #pass(octets: Buffer): void {
    if (this.#decodings !== undefined) this.#hand(octets, this.#decodings);
  }

  #hand(octets: Buffer, decodings: readonly Decoding[]): void {
    let text = octets;
    for (const decoding of decodings) text = decoding.decode(text);
    if (text.length === 0) return;
    this.#textOctets += text.length;
    if (this.isOver) this.exceeded.add(`${this.#limits.textOctets} octets of text`);
    this.#reader.write(text);
  }
}

function readLines(lines: readonly string[]): PartHeader {
  const fields = new Map<string, string>();
  let name = '';
  for (const line of lines) {
    if (/^[ \t]/.test(line)) {
      if (name !== '') fields.set(name, `${fields.get(name)!} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    const field = line.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase();
    // The first one counts, as for most readers.
    name = fields.has(field) ? '' : field;
    if (name !== '') fields.set(name, line.slice(colon + 1));
  }
  return readPartHeader((wanted) => fields.get(wanted.toLowerCase()));
}
