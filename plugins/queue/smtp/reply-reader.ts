/** Reads the replies of a hop. RFC 5321 section 4.2. */

import type { HopReply } from '../../../bindings/plugin/index.ts';

/** RFC 5321 section 4.5.3.1.5 allows 512 octets; hops that say more are borne with so far. */
const MAX_LINE = 2_048;
/** A hop that never comes to an end must not fill the memory. */
const MAX_LINES = 100;
/** Of a reply in all: one is kept for each recipient. */
const MAX_REPLY = 16_384;

/** Replies of one line are much the same for every message: so many are kept, no longer than this. */
const MAX_KNOWN = 16;
const KNOWN_LENGTH = 80;

const LF = 0x0a;
const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/s;
const STATUS = /^([245]\.\d{1,3}\.\d{1,3})(?: +|$)/;

/** Takes what the hop sends as it comes, and keeps at most one unfinished reply. */
export class ReplyReader {
  #rest: Buffer | undefined;
  #lines: string[] = [];
  #octets = 0;
  readonly #known = new Map<string, HopReply>();

  /** There are octets of which no reply was made. */
  get isInsideReply(): boolean {
    return this.#rest !== undefined || this.#lines.length > 0;
  }

  /**
   * The replies that end in `chunk`; it may change once all were taken. Throws an Error that says what is wrong with octets
   * that are no reply, once those in front of them were taken: they may say that a message is delivered.
   */
  *take(chunk: Buffer): Iterable<HopReply> {
    const octets = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let from = 0;
    for (let end = octets.indexOf(LF); end >= 0; end = octets.indexOf(LF, from)) {
      if (end - from > MAX_LINE) throw new Error('line too long');
      const reply = this.#takeLine(octets.toString('latin1', from, end));
      if (reply !== undefined) yield reply;
      from = end + 1;
    }
    if (octets.length - from > MAX_LINE) throw new Error('line too long');
    // A copy: the view would keep a whole read of the socket for a few octets.
    if (from < octets.length) this.#rest = Buffer.from(octets.subarray(from));
  }

  #takeLine(line: string): HopReply | undefined {
    const isWhole = this.#lines.length === 0;
    const known = isWhole ? this.#known.get(line) : undefined;
    if (known !== undefined) return known;
    const reply = this.#readLine(line);
    const isKept = isWhole && line.length <= KNOWN_LENGTH && this.#known.size < MAX_KNOWN;
    if (isKept && reply !== undefined) this.#known.set(line, reply);
    return reply;
  }

  #readLine(line: string): HopReply | undefined {
    const [, code = '', mark = ' ', text = ''] = LINE.exec(line.replace(/\r$/, '')) ?? [];
    if (code === '') throw new Error('not a reply');
    this.#lines.push(text);
    this.#octets += text.length;
    if (this.#octets > MAX_REPLY) throw new Error('reply too long');
    if (mark === '-') {
      if (this.#lines.length >= MAX_LINES) throw new Error('too many lines');
      return undefined;
    }
    const lines = this.#lines;
    this.#lines = [];
    this.#octets = 0;
    return replyOf(Number(code), lines);
  }
}

/** The status is taken off the lines: printing the reply puts it back. RFC 2034 section 4. */
function replyOf(code: number, texts: readonly string[]): HopReply {
  let status: string | undefined;
  const lines = texts.map((text) => {
    const found = STATUS.exec(text);
    // A status of another class than the reply has been put there by mistake.
    if (found === null || found[1]![0] !== String(code)[0]) return printable(text);
    status ??= found[1];
    return printable(text.slice(found[0].length));
  });
  const said = lines.filter((text) => text !== '');
  // The first line of a good reply counts even if it is empty: after it the extensions stand.
  if (said.length > 0 && lines[0] === '' && code < 300) said.unshift('');
  return { code, status, lines: said };
}

/** The client is shown this text, and so is the log: neither may be fed control characters or 8-bit octets. */
const printable = (text: string): string => text.replace(/[^ -~]/g, '?').trim();
