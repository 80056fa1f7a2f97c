/** Questions of the DNS in wire form. RFC 1035 section 4.1, RFC 6891. */

import { randomFillSync } from 'node:crypto';
import { RecordType } from '../../bindings/core/contract.ts';
import { addressOctets } from '../../bindings/lists/client-ranges.ts';
import { reverseName } from '../../bindings/wire/dns-name.ts';

/** Types that are asked for. */
export type AskedType = Exclude<keyof typeof RecordType, 'NS'>;

export interface QuestionForm {
  /** With an OPT record, which says how long an answer over UDP may be. */
  readonly hasEdns: boolean;
  /** Letters are large or small by chance: 0x20 bits, which make guesses at an answer harder. */
  readonly mixesCase: boolean;
  /** Asks whether DNSSEC vouches for the answer. RFC 6840 section 5.7; signatures are not asked for. */
  readonly wantsAuthenticity: boolean;
}

/** What passes all networks in one piece. RFC 9715 appendix A. */
const UDP_OCTETS = 1_232;
const HEADER_OCTETS = 12;
const MAX_NAME_OCTETS = 255;
const MAX_LABEL_OCTETS = 63;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
/** RFC 1035 section 4.1.1. */
const RECURSION_DESIRED = 0x01;
const AUTHENTIC_DATA = 0x20;
/** Root name, type OPT, `UDP_OCTETS` as the class, no flags, no options. RFC 6891 section 6.1.2. */
const OPT = Buffer.from([0, 0, 41, UDP_OCTETS >> 8, UDP_OCTETS & 0xff, 0, 0, 0, 0, 0, 0]);

const random = Buffer.alloc(4_096);
let randomAt = random.length;

/** Eight bits that nobody can foretell. RFC 5452 section 9.2. */
export function randomOctet(): number {
  if (randomAt === random.length) {
    randomFillSync(random);
    randomAt = 0;
  }
  return random[randomAt++]!;
}

/** The name whose PTR records name an address; undefined for what is no address. */
export function pointerName(address: string): string | undefined {
  const octets = addressOctets(address);
  return octets && reverseName(octets);
}

/**
 * A question with the identifier 0, in a Buffer of the caller's own. Undefined for what cannot be asked: an empty or overlong
 * label, more than 255 octets, other characters than graphic ASCII. `\DDD` stands for an octet, as in names of answers.
 */
export function encodeQuestion(name: string, type: AskedType, form: QuestionForm): Buffer | undefined {
  if (name.length > 4 * MAX_NAME_OCTETS) return undefined;
  const octets = Buffer.allocUnsafe(HEADER_OCTETS + name.length + 6 + OPT.length);
  octets.fill(0, 0, HEADER_OCTETS);
  octets[2] = RECURSION_DESIRED;
  if (form.wantsAuthenticity) octets[3] = AUTHENTIC_DATA;
  octets[5] = 1;
  let at = writeName(octets, name, form.mixesCase);
  if (at === -1) return undefined;
  octets[at++] = 0;
  octets[at++] = RecordType[type];
  octets[at++] = 0;
  octets[at++] = 1;
  if (form.hasEdns) {
    octets[11] = 1;
    at += OPT.copy(octets, at);
  }
  return at === octets.length ? octets : octets.subarray(0, at);
}

/** Returns where the octets after the name begin; -1 for what is no name. */
function writeName(octets: Buffer, name: string, mixesCase: boolean): number {
  let label = HEADER_OCTETS;
  let at = label + 1;
  let bits = 1;
  for (let index = 0; index < name.length; index++) {
    let code = name.charCodeAt(index);
    if (code === DOT) {
      if (!endLabel(octets, label, at)) return -1;
      label = at++;
      continue;
    }
    if (code === BACKSLASH) {
      code = escapedOctet(name, index);
      index += 3;
      if (code === -1) return -1;
    } else if (code < 0x21 || code > 0x7e) return -1;
    else if (mixesCase && ((code | 0x20) - 0x61) >>> 0 < 26) {
      if (bits === 1) bits = 0x100 | randomOctet();
      code ^= (bits & 1) << 5;
      bits >>= 1;
    }
    octets[at++] = code;
  }
  if (!endLabel(octets, label, at)) return -1;
  octets[at++] = 0;
  return at - HEADER_OCTETS <= MAX_NAME_OCTETS ? at : -1;
}

function endLabel(octets: Buffer, label: number, at: number): boolean {
  const length = at - label - 1;
  octets[label] = length;
  return length > 0 && length <= MAX_LABEL_OCTETS;
}

/** The octet that `\DDD` at `index` stands for, or -1. */
function escapedOctet(name: string, index: number): number {
  const digits = name.slice(index + 1, index + 4);
  const octet = /^\d{3}$/.test(digits) ? Number(digits) : 256;
  return octet < 256 ? octet : -1;
}
