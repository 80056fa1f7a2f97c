/** Finds whole replies (RFC 5321 section 4.2) in what a server sends, without making strings of them. */

const LF = 0x0a;
const HYPHEN = 0x2d;
const ZERO = 0x30;

export class ReplyReader {
  /** Codes of the replies that are complete and not yet taken. */
  readonly codes: number[] = [];
  #rest: Buffer | undefined;

  take(chunk: Buffer): void {
    const octets = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let line = 0;
    for (let lf = octets.indexOf(LF); lf !== -1; lf = octets.indexOf(LF, line)) {
      if (octets[line + 3] !== HYPHEN) this.codes.push(codeAt(octets, line));
      line = lf + 1;
    }
    if (line < octets.length) this.#rest = octets.subarray(line);
  }
}

const codeAt = (octets: Buffer, at: number): number =>
  (octets[at]! - ZERO) * 100 + (octets[at + 1]! - ZERO) * 10 + octets[at + 2]! - ZERO;
