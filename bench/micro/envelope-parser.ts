/** The plain form of a MAIL or RCPT argument (RFC 5321 section 4.1.2), found without a regular expression. */

import { MAX_PARAMETERS, PARAMETER_WORDS } from '../../bindings/core.ts';

const AT = 0x40;
const DOT = 0x2e;
const EQUALS = 0x3d;
const HYPHEN = 0x2d;
const LESS = 0x3c;
const GREATER = 0x3e;
const COLON = 0x3a;
const SP = 0x20;
const MAX_LOCAL_PART = 64;
const MAX_DOMAIN = 255;

const ATOM = 1;
const LETTER_DIGIT = 2;
const VALUE = 4;

/** What an octet may be part of. */
const CLASS = Uint8Array.from({ length: 256 }, (_, octet) => {
  const letter = String.fromCharCode(octet);
  return (
    (octet < 0x80 && /[\w!#$%&'*+\-/=?^`{|}~]/.test(letter) ? ATOM : 0) |
    (octet < 0x80 && /[a-z\d]/i.test(letter) ? LETTER_DIGIT : 0) |
    (octet >= 0x21 && octet <= 0x7e && octet !== EQUALS ? VALUE : 0)
  );
});

const FROM = Buffer.from('from');
const TO = Buffer.from('to');

export class EnvelopeParser {
  path = -1;
  pathEnd = -1;
  at = -1;
  parameterCount = 0;
  /** The last argument did not fit into what was left of the parameter table. */
  isTableFull = false;
  readonly #parameters: Int32Array;

  constructor(parameters: Int32Array) {
    this.#parameters = parameters;
  }

  /** True if the whole argument is plain; the positions are then valid. */
  parse(octets: Uint8Array, from: number, to: number, isMail: boolean, firstParameter: number): boolean {
    this.isTableFull = false;
    const prefix = isMail ? FROM : TO;
    let at = from;
    for (const letter of prefix) if ((octets[at++]! | 0x20) !== letter) return false;
    if (octets[at] !== COLON || octets[at + 1] !== LESS || at + 2 >= to) return false;
    this.path = at + 1;
    at += 2;
    if (isMail && octets[at] === GREATER) {
      this.at = -1;
      this.pathEnd = at + 1;
    } else {
      this.at = dotStringEnd(octets, at, to);
      if (this.at < 0) return false;
      const domainEnd = domainEndOf(octets, this.at + 1, to);
      if (domainEnd < 0) return false;
      this.pathEnd = domainEnd + 1;
    }
    return this.#readParameters(octets, this.pathEnd, to, firstParameter);
  }

  #readParameters(octets: Uint8Array, from: number, to: number, first: number): boolean {
    let index = first;
    let at = from;
    while (at < to) {
      if (octets[at] !== SP) return false;
      const keyword = ++at;
      if (at >= to || (CLASS[octets[at]!]! & LETTER_DIGIT) === 0) return false;
      while (at < to && ((CLASS[octets[at]!]! & LETTER_DIGIT) !== 0 || octets[at] === HYPHEN)) at++;
      const keywordEnd = at;
      let value = -1;
      if (octets[at] === EQUALS && at < to) {
        value = ++at;
        while (at < to && (CLASS[octets[at]!]! & VALUE) !== 0) at++;
        if (at === value) return false;
      }
      if (index === MAX_PARAMETERS) {
        this.isTableFull = true;
        return false;
      }
      const base = index++ * PARAMETER_WORDS;
      this.#parameters[base] = keyword;
      this.#parameters[base + 1] = keywordEnd;
      this.#parameters[base + 2] = value;
      this.#parameters[base + 3] = value < 0 ? -1 : at;
    }
    this.parameterCount = index - first;
    return true;
  }
}

/** Position of the `@` after a dot-string, or -1. */
function dotStringEnd(octets: Uint8Array, from: number, to: number): number {
  let at = from;
  let atom = from;
  for (; at < to; at++) {
    const octet = octets[at]!;
    if ((CLASS[octet]! & ATOM) !== 0) continue;
    if (at === atom) return -1;
    if (octet === AT) return at - from > MAX_LOCAL_PART ? -1 : at;
    if (octet !== DOT) return -1;
    atom = at + 1;
  }
  return -1;
}

/** Position of the `>` after a domain of letter-digit-hyphen labels, or -1. */
function domainEndOf(octets: Uint8Array, from: number, to: number): number {
  let label = from;
  for (let at = from; at < to; at++) {
    const octet = octets[at]!;
    if ((CLASS[octet]! & LETTER_DIGIT) !== 0) continue;
    if (octet === HYPHEN && at > label) continue;
    if (at === label || octets[at - 1] === HYPHEN) return -1;
    if (octet === GREATER) return at - from > MAX_DOMAIN ? -1 : at;
    if (octet !== DOT) return -1;
    label = at + 1;
  }
  return -1;
}
