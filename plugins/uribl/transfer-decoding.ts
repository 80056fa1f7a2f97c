/** Bodies of parts as they were before they were encoded for the way. RFC 2045 sections 6.7 and 6.8. */

import type { TransferEncoding } from './media-type.ts';

/** A body that comes in pieces. What it gives may be a part of what it was given. */
export interface Decoding {
  decode(octets: Buffer): Buffer;
  /** What was held back, as there was no telling how it would go on. */
  end(): Buffer;
}

const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const HT = 0x09;
const EQUALS = 0x3d;

export function decodingOf(encoding: TransferEncoding): Decoding | undefined {
  if (encoding === 'base64') return new Base64Decoding();
  return encoding === 'quoted-printable' ? new QuotedPrintableDecoding() : undefined;
}

/** What is none of the 64 letters is passed over. Padding ends a group wherever it stands: several texts may follow each other. */
class Base64Decoding implements Decoding {
  #rest = '';

  decode(octets: Buffer): Buffer {
    const text = this.#rest + octets.latin1Slice().replace(/[^A-Za-z0-9+/=]+/g, '');
    if (text.includes('=')) return this.#decodePadded(text);
    const whole = text.length & ~3;
    this.#rest = text.slice(whole);
    return Buffer.from(text.slice(0, whole), 'base64');
  }

  end(): Buffer {
    const rest = Buffer.from(this.#rest, 'base64');
    this.#rest = '';
    return rest;
  }

  #decodePadded(text: string): Buffer {
    const last = text.lastIndexOf('=') + 1;
    const whole = last + ((text.length - last) & ~3);
    this.#rest = text.slice(whole);
    const groups = text.slice(0, whole).split(/=+/);
    return Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
  }
}

/** Blanks between `=` and the end of a line that are waited for. */
const MAX_BLANKS = 80;

class QuotedPrintableDecoding implements Decoding {
  /** Begins with `=`, and has not shown yet what it is. */
  #rest = NOTHING;

  decode(octets: Buffer): Buffer {
    const input = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    return this.#decode(input, false);
  }

  end(): Buffer {
    return this.#decode(this.#rest, true);
  }

  #decode(input: Buffer, isEnd: boolean): Buffer {
    const { length } = input;
    const output = Buffer.allocUnsafe(length);
    this.#rest = NOTHING;
    let written = 0;
    let at = 0;
    while (at < length) {
      const octet = input[at]!;
      if (octet !== EQUALS) {
        output[written++] = octet;
        at++;
        continue;
      }
      const value = hexAt(input, at + 1) * 16 + hexAt(input, at + 2);
      if (value >= 0) {
        output[written++] = value;
        at += 3;
        continue;
      }
      const next = afterLineEnd(input, at + 1);
      if (next === UNKNOWN && !isEnd) {
        this.#rest = Buffer.from(input.subarray(at));
        break;
      }
      if (next > 0) at = next;
      else {
        output[written++] = octet;
        at++;
      }
    }
    return output.subarray(0, written);
  }
}

const UNKNOWN = 0;
const NONE = -1;

/** Where a soft line break ends; `UNKNOWN` if the octets end before that is clear, `NONE` if it is none. */
function afterLineEnd(input: Buffer, from: number): number {
  const { length } = input;
  // One hexadecimal digit at the very end.
  if (from >= length || (from === length - 1 && hexAt(input, from) >= 0)) return UNKNOWN;
  let at = from;
  while (at < length && (input[at] === SP || input[at] === HT || input[at] === CR)) {
    if (++at - from > MAX_BLANKS) return NONE;
  }
  if (at === length) return UNKNOWN;
  return input[at] === LF ? at + 1 : NONE;
}

const NO_DIGIT = -1_000;

/** A hexadecimal digit in capitals or, against the letter of RFC 2045, in small letters. */
function hexAt(input: Buffer, at: number): number {
  const octet = at < input.length ? input[at]! : 0;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NO_DIGIT;
}
