/** Mail data an octet at a time with numbers for states: the slow path of the best JavaScript. */

import { DataFlag, WINDOW } from '../../bindings/core.ts';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const LINE_LIMIT = 2 ** 30;

export const State = {
  LineStart: 0,
  Middle: 1,
  Cr: 2,
  Dot: 3,
  DotCr: 4,
  BareLf: 5,
  BareLfDot: 6,
  BareLfDotCr: 7,
  End: 8,
} as const;
export type State = (typeof State)[keyof typeof State];

/** Keeps what `Core.data` keeps for a slot, and reports a chunk in the same terms. */
export class DataAutomaton {
  flags = 0;
  octets = 0;
  consumed = 0;
  contentEnd = 0;
  dropCount = 0;
  carriedCr = false;
  readonly drops = new Int32Array(WINDOW / 4 + 1);
  protected state: State = State.LineStart;
  protected line = 0;
  protected longest = 0;
  /** Position of an undecided dot in this chunk, or -1. */
  #dot = -1;

  get longestLine(): number {
    const pendingCr = this.state === State.Cr || this.state === State.BareLfDotCr ? 1 : 0;
    return Math.max(this.longest, this.line - pendingCr);
  }

  protected begin(octets: Uint8Array): void {
    this.carriedCr = this.state === State.DotCr && octets.length > 0 && octets[0] !== LF;
    this.dropCount = 0;
    this.#dot = -1;
  }

  protected finish(at: number): void {
    const isAtDot = this.state === State.Dot || this.state === State.DotCr || this.state === State.End;
    this.consumed = at;
    this.contentEnd = isAtDot ? Math.max(this.#dot, 0) : at;
    this.octets += this.contentEnd - this.dropCount + (this.carriedCr ? 1 : 0);
    this.line = Math.min(this.line, LINE_LIMIT);
  }

  /** Takes the stuffed dot at `at` out; what follows it is text of its line. */
  protected drop(at: number): void {
    this.drops[this.dropCount++] = at;
    this.state = State.Middle;
  }

  /** Steps from `from` to `to`, or to the end of data; returns where it stopped. */
  protected walk(octets: Uint8Array, from: number, to: number): number {
    let at = from;
    for (; at < to && this.state !== State.End; at++) {
      const octet = octets[at]!;
      if (this.state === State.Middle && octet !== CR && octet !== LF) {
        this.line++;
        this.#note(octet);
        continue;
      }
      const state = octet === LF ? this.#stepAtLf() : this.#step(octet);
      if (state === State.Dot) this.#dot = at;
      else if (this.#dot >= 0 && state !== State.DotCr && state !== State.End) {
        this.drops[this.dropCount++] = this.#dot;
        this.#dot = -1;
      }
      this.state = state;
    }
    return at;
  }

  #step(octet: number): State {
    const { state } = this;
    if (state === State.Cr || state === State.DotCr || state === State.BareLfDotCr)
      this.flags |= DataFlag.BareCr;
    if (state === State.DotCr) this.line++;
    if (octet === DOT && state === State.LineStart) return State.Dot;
    if (octet === CR && state === State.Dot) return State.DotCr;
    this.line++;
    if (octet === CR) return state === State.BareLfDot ? State.BareLfDotCr : State.Cr;
    if (octet === DOT && state === State.BareLf) return State.BareLfDot;
    this.#note(octet);
    return State.Middle;
  }

  #stepAtLf(): State {
    const { state } = this;
    if (state === State.DotCr) return State.End;
    if (state === State.Cr || state === State.BareLfDotCr) {
      if (state === State.BareLfDotCr) this.flags |= DataFlag.LookAlike;
      this.#endLine(1);
      return State.LineStart;
    }
    if (state === State.Dot || state === State.BareLfDot) this.flags |= DataFlag.LookAlike;
    this.flags |= DataFlag.BareLf;
    this.#endLine(0);
    return State.BareLf;
  }

  #endLine(crOctets: number): void {
    this.longest = Math.max(this.longest, this.line - crOctets);
    this.line = 0;
  }

  #note(octet: number): void {
    if (octet === 0) this.flags |= DataFlag.Nul;
    else if (octet >= 0x80) this.flags |= DataFlag.EightBit;
  }
}
