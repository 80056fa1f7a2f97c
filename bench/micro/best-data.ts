/** The best this project could do for mail data in JavaScript alone, under the same policy as the core. */

import { isAscii } from 'node:buffer';
import { WINDOW } from '../../bindings/core.ts';
import { ContentParts, type DataAnswer, type DataReader } from './contestant.ts';
import { DataAutomaton, State } from './data-automaton.ts';

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const SP = 0x20;
const DELETE = 0x7f;
const LINE_WITH_DOT = Buffer.from('\r\n.');
/** Up to here four octets at a time are faster than making a string for the native search. */
const SMALL = 2_048;
const HIGH_BITS = 0x80808080 | 0;
const BLANKS = 0x20202020;

/**
 * Two ways around the automaton, which sees only what is not plain text: for large chunks the native searches of a
 * latin1 string, line by line; for small ones arithmetic on four octets at a time.
 */
export class BestDataScan extends DataAutomaton {
  readonly #copy = new Uint8Array(SMALL);
  readonly #words = new Int32Array(this.#copy.buffer);

  /** Scans one chunk of at most `WINDOW` octets. True at the end of data. */
  scan(octets: Buffer): boolean {
    this.begin(octets);
    const at = octets.length <= SMALL ? this.#scanWords(octets) : this.#scanLines(octets);
    this.finish(at);
    return this.state === State.End;
  }

  #scanLines(octets: Buffer): number {
    const { length } = octets;
    const text = octets.latin1Slice();
    if (!isAscii(octets) || text.includes('\0')) return this.walk(octets, 0, length);
    let at = 0;
    while (this.state !== State.End) {
      const lf = text.indexOf('\n', at);
      if (lf === -1) return this.walk(octets, at, length);
      if (this.#isStuffed(octets, at)) this.drop(at++);
      const isText = this.state === State.Middle || (this.state === State.LineStart && octets[at] !== DOT);
      if (!isText || text.indexOf('\r', at) !== lf - 1) {
        at = this.walk(octets, at, lf + 1);
        continue;
      }
      const line = this.line + lf - 1 - at;
      if (line > this.longest) this.longest = line;
      this.line = 0;
      this.state = State.LineStart;
      at = lf + 1;
    }
    return at;
  }

  #scanWords(octets: Buffer): number {
    const { length } = octets;
    const copy = this.#copy;
    copy.set(octets);
    let at = 0;
    while (at < length && this.state !== State.End) {
      if (this.state === State.Middle) {
        const plain = this.#plainUntil(at, length);
        this.line += plain - at;
        at = plain;
        if (at + 2 < length && copy[at] === CR && copy[at + 1] === LF) {
          if (this.line > this.longest) this.longest = this.line;
          this.line = 0;
          this.state =
            copy[at + 2]! >= SP && copy[at + 2] !== DOT && copy[at + 2]! < DELETE
              ? State.Middle
              : State.LineStart;
          at += 2;
          continue;
        }
      }
      if (at >= length) break;
      if (this.#isStuffed(octets, at)) this.drop(at++);
      else at = this.walk(copy, at, at + 1);
    }
    return at;
  }

  /** A dot at the start of a line with text after it, all in this chunk: the plain case, no automaton needed. */
  #isStuffed(octets: Uint8Array, at: number): boolean {
    return this.state === State.LineStart && octets[at] === DOT && octets[at + 1]! >= SP;
  }

  /** The first position from `from` on whose octet is no graphic, blank or DEL of ASCII. */
  #plainUntil(from: number, to: number): number {
    const copy = this.#copy;
    let at = from;
    while (at < to && (at & 3) !== 0 && copy[at]! >= SP && copy[at]! <= DELETE) at++;
    if ((at & 3) === 0) {
      while (at + 4 <= to) {
        const word = this.#words[at >> 2]!;
        if (((word | ((word - BLANKS) & ~word)) & HIGH_BITS) !== 0) break;
        at += 4;
      }
    }
    while (at < to && copy[at]! >= SP && copy[at]! <= DELETE) at++;
    return at;
  }
}

export class BestData implements DataReader {
  readonly name = 'best JavaScript';
  readonly way =
    'whole policy; native searches for large chunks, four octets at a time for small ones, an automaton for the rest';
  readonly #scan = new BestDataScan();

  scan(chunk: Buffer): number {
    this.#scan.scan(chunk);
    return this.#scan.contentEnd - this.#scan.dropCount;
  }

  read(pieces: readonly Buffer[]): DataAnswer {
    const scan = new BestDataScan();
    const parts = new ContentParts();
    for (const piece of pieces) {
      for (let from = 0; from < piece.length;) {
        const window = piece.subarray(from, from + WINDOW);
        const isEnd = scan.scan(window);
        if (scan.carriedCr) parts.addCr();
        parts.add(window, scan.contentEnd, scan.drops, scan.dropCount);
        from += scan.consumed;
        if (isEnd) break;
      }
    }
    return {
      content: parts.whole(),
      findings: { flags: scan.flags, longestLine: scan.longestLine, octets: scan.octets },
    };
  }
}

/**
 * The least there is: the native search for CRLF, dot and nothing else. It cannot see bare CR or LF, NUL, 8-bit octets
 * or long lines, so no server may rely on it alone; it shows what the policy costs.
 */
export class NativeSearch implements DataReader {
  readonly name = 'native search alone';
  readonly way = "Buffer's indexOf for CRLF dot; no policy at all: blind to smuggling, NUL and long lines";

  scan(chunk: Buffer): number {
    let dots = chunk[0] === DOT ? 1 : 0;
    for (let at = chunk.indexOf(LINE_WITH_DOT); at !== -1; at = chunk.indexOf(LINE_WITH_DOT, at + 3)) dots++;
    return chunk.length - dots;
  }

  read(pieces: readonly Buffer[]): DataAnswer {
    const text = `\r\n${Buffer.concat(pieces).latin1Slice()}`;
    const end = text.indexOf('\r\n.\r\n');
    return { content: Buffer.from(text.slice(2, end + 2).replace(/(^|\r\n)\./g, '$1'), 'latin1') };
  }
}
