/** What looks like host names in text, by regular expressions; `Core.hosts` says what counts. */

import { HOST_WORDS, HostFlag, HostWord, MAX_HOSTS, MAX_HOST_RUN } from '../contract.ts';

/** What is known of the text before the octet that comes next, as bits of the number that callers carry along. */
const State = { Slash: 1, Authority: 2, Start: 4, Skip: 8 } as const;

/** A run ends before two dots, and may have one at its end; one that is longer than this finds is cut in any case. */
const RUN = /[\w%\x80-\xff-](?:\.?[\w%\x80-\xff-]){0,1024}\.?/y;
const ASCII_OF_RUN = /[\w.%-]*/y;
const LAST_SEGMENT = /(?:[^\x80-\xff]+|[\x80-\xff]+)$/;
/** RFC 4291 section 2.2, at most 45 characters. */
const LITERAL = /\[[\da-fA-F:.]{1,45}\]/y;
/** It may still become one. */
const UNFINISHED_LITERAL = /^\[[\da-fA-F:.]{0,45}$/;
const LITERAL_OCTETS = 46;
/** RFC 3986 section 3.2, as far as browsers go along; slashes end an authority as well. */
const ENDS_AUTHORITY = /[\0-\x20\x7f?#<>"]/;

export interface HostsReading {
  readonly count: number;
  readonly consumed: number;
  readonly state: number;
}

/** Reads `text`, one character an octet. */
export function findHosts(text: string, before: number, isEnd: boolean, records: Int32Array): HostsReading {
  const scan = new HostScan(text, before, isEnd, records);
  const consumed = scan.run();
  return { count: scan.count, consumed, state: scan.state };
}

class HostScan {
  count = 0;
  state: number;
  readonly #text: string;
  readonly #isEnd: boolean;
  readonly #records: Int32Array;

  constructor(text: string, state: number, isEnd: boolean, records: Int32Array) {
    this.#text = text;
    this.state = state;
    this.#isEnd = isEnd;
    this.#records = records;
  }

  /** Returns how far it came. */
  run(): number {
    let at = 0;
    while (at < this.#text.length) {
      const next = this.#skip(at) ?? this.#takeRun(at) ?? this.#takeOther(at);
      if (next === at) break;
      at = next;
    }
    return at;
  }

  /** Undefined if there is nothing to be passed over. */
  #skip(at: number): number | undefined {
    if ((this.state & State.Skip) === 0) return undefined;
    const end = endOfMatch(ASCII_OF_RUN, this.#text, at);
    if (end < this.#text.length) this.state &= ~State.Skip;
    return end === at ? undefined : end;
  }

  /** Undefined if no run begins here. */
  #takeRun(start: number): number | undefined {
    const end = endOfMatch(RUN, this.#text, start);
    if (end === 0) return undefined;
    this.state &= ~State.Slash;
    if (end - start > MAX_HOST_RUN) return this.#cutRun(start, this.#text.slice(start, start + MAX_HOST_RUN));
    if (end === this.#text.length && !this.#isEnd) return start;
    if (this.#text[end] !== '@') {
      const run = this.#text.slice(start, end);
      const name = run.endsWith('.') ? run.slice(0, -1) : run;
      const flags = (this.state & State.Start) === 0 ? 0 : HostFlag.Authority;
      if ((flags !== 0 || name.includes('.')) && !this.#enter(start, name.length, flags | flagsOf(run)))
        return start;
    }
    this.state &= State.Authority;
    return end;
  }

  #cutRun(start: number, run: string): number {
    const rest = LAST_SEGMENT.exec(run)!.index;
    const piece = rest === 0 ? run : run.slice(0, rest);
    const flags = flagsOf(run);
    const isMixed = (flags & HostFlag.EightBit) !== 0;
    if (isMixed && piece.includes('.') && !this.#enter(start, piece.length, flags | HostFlag.Piece))
      return start;
    this.state = (this.state & State.Authority) | (isMixed ? 0 : State.Skip);
    return start + piece.length;
  }

  #takeOther(at: number): number {
    const character = this.#text[at]!;
    const { state } = this;
    if (character === '/' || character === '\\') {
      this.state = State.Slash | ((state & State.Slash) === 0 ? 0 : State.Authority | State.Start);
      return at + 1;
    }
    if (character === '[' && (state & State.Start) !== 0) return this.#takeLiteral(at);
    const isInAuthority = (state & State.Authority) !== 0 && !ENDS_AUTHORITY.test(character);
    this.state = isInAuthority ? State.Authority : 0;
    if (isInAuthority && character === '@') this.state |= State.Start;
    return at + 1;
  }

  #takeLiteral(bracket: number): number {
    const rest = this.#text.slice(bracket, bracket + LITERAL_OCTETS + 1);
    if (!this.#isEnd && rest.length <= LITERAL_OCTETS && UNFINISHED_LITERAL.test(rest)) return bracket;
    const end = endOfMatch(LITERAL, this.#text, bracket);
    if (end > 0) {
      const flags = HostFlag.Authority | HostFlag.Brackets;
      if (!this.#enter(bracket + 1, end - bracket - 2, flags)) return bracket;
    }
    this.state = State.Authority;
    return Math.max(end, bracket + 1);
  }

  /** False if there is no place any more. */
  #enter(from: number, length: number, flags: number): boolean {
    if (this.count === MAX_HOSTS) return false;
    const entry = this.count++ * HOST_WORDS;
    this.#records[entry + HostWord.from] = from;
    this.#records[entry + HostWord.to] = from + length;
    this.#records[entry + HostWord.flags] = flags;
    return true;
  }
}

/** The octets of a run as flags. */
const flagsOf = (run: string): number =>
  (/[\x80-\xff]/.test(run) ? HostFlag.EightBit : 0) | (run.includes('%') ? HostFlag.Percent : 0);

/** One past what the sticky `pattern` matches at `at`; 0 if it does not. */
function endOfMatch(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  pattern.test(text);
  return pattern.lastIndex;
}
