import { DataFlag } from '../contract.ts';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** Where in a line the scan stands, as far as the end of data and its look-alikes depend on it. */
type State =
  'line start' | 'middle' | 'cr' | 'dot' | 'dot cr' | 'bare lf' | 'bare lf dot' | 'bare lf dot cr' | 'end';

/** Lines are counted up to this length. */
const LINE_LIMIT = 2 ** 30;

/** What one call contributes to the content; see `Core.data` for how to read it. */
export interface ContentSpan {
  readonly consumed: number;
  readonly contentEnd: number;
  readonly dropCount: number;
  readonly carriedCr: boolean;
}

/**
 * Mail data of one message, an octet at a time (RFC 5321 section 4.5.2).
 *
 * A line begins at the start of data and after CRLF, and nowhere else: an end of data that bare CR or bare LF
 * could forge would let a client smuggle a second message past a server that is stricter.
 */
export class DataScan {
  flags = 0;
  octets = 0;
  private state: State = 'line start';
  /** Octets of content in the current line, a CR at its end included. */
  private line = 0;
  private longest = 0;

  get isEnded(): boolean {
    return this.state === 'end';
  }

  get longestLine(): number {
    const pendingCr = this.state === 'cr' || this.state === 'bare lf dot cr' ? 1 : 0;
    return Math.max(this.longest, this.line - pendingCr);
  }

  /** Scans `octets` up to the end of data and writes the positions of dropped dots to `drops`. */
  scan(octets: Uint8Array, drops: Int32Array): ContentSpan {
    const carriedCr = this.state === 'dot cr' && octets.length > 0 && octets[0] !== LF;
    let dropCount = 0;
    let dot = -1;
    let at = 0;
    for (; at < octets.length && this.state !== 'end'; at++) {
      const octet = octets[at]!;
      const before = this.state;
      if (before === 'middle' && octet !== CR && octet !== LF) {
        this.line++;
        this.noteOctet(octet);
        continue;
      }
      this.state = this.next(octet);
      if (this.state === 'dot') dot = at;
      else if (dot >= 0 && this.state !== 'dot cr' && this.state !== 'end') {
        drops[dropCount++] = dot;
        dot = -1;
      }
    }
    const contentEnd = this.isAtDot() ? Math.max(dot, 0) : at;
    this.octets += contentEnd - dropCount + (carriedCr ? 1 : 0);
    this.line = Math.min(this.line, LINE_LIMIT);
    return { consumed: at, contentEnd, dropCount, carriedCr };
  }

  /** Whether a dot, and perhaps the CR after it, stands undecided in front of the scan, or was the end of data. */
  private isAtDot(): boolean {
    return this.state === 'dot' || this.state === 'dot cr' || this.state === 'end';
  }

  private next(octet: number): State {
    if (octet === LF) return this.nextAtLf();
    if (this.state === 'cr' || this.state === 'dot cr' || this.state === 'bare lf dot cr') {
      this.flags |= DataFlag.BareCr;
    }
    if (this.state === 'dot cr') this.line++;
    if (octet === DOT && this.state === 'line start') return 'dot';
    if (octet === CR && this.state === 'dot') return 'dot cr';
    this.line++;
    if (octet === CR) return this.state === 'bare lf dot' ? 'bare lf dot cr' : 'cr';
    if (octet === DOT && this.state === 'bare lf') return 'bare lf dot';
    this.noteOctet(octet);
    return 'middle';
  }

  private nextAtLf(): State {
    switch (this.state) {
      case 'dot cr':
        return 'end';
      case 'bare lf dot cr':
        this.flags |= DataFlag.LookAlike;
        this.endLine(1);
        return 'line start';
      case 'cr':
        this.endLine(1);
        return 'line start';
      case 'dot':
      case 'bare lf dot':
        this.flags |= DataFlag.LookAlike;
        break;
      default:
    }
    this.flags |= DataFlag.BareLf;
    this.endLine(0);
    return 'bare lf';
  }

  private endLine(crOctets: number): void {
    this.longest = Math.max(this.longest, this.line - crOctets);
    this.line = 0;
  }

  private noteOctet(octet: number): void {
    if (octet === 0) this.flags |= DataFlag.Nul;
    else if (octet >= 0x80) this.flags |= DataFlag.EightBit;
  }
}
