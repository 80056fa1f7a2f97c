/** Text of parts in UTF-8, with what a reader of HTML would see in place of its entities. */

import { TextDecoder } from 'node:util';
import type { Decoding } from './transfer-decoding.ts';

const NOTHING = Buffer.alloc(0);

/** What nobody knows is read as a superset of ASCII. */
export function charsetDecoding(charset: string | undefined): Decoding {
  if (charset === undefined || /^(?:utf-?8|us-ascii|ascii|ansi_x3\.4-1968)$/.test(charset))
    return new MarkedText();
  const decoder = decoderOf(charset);
  return decoder === undefined ? new MarkedText() : new CharsetText(decoder);
}

function decoderOf(charset: string): TextDecoder | undefined {
  try {
    return new TextDecoder(charset);
  } catch {
    return undefined;
  }
}

class CharsetText implements Decoding {
  readonly #decoder: TextDecoder;

  constructor(decoder: TextDecoder) {
    this.#decoder = decoder;
  }

  decode(octets: Buffer): Buffer {
    return Buffer.from(this.#decoder.decode(octets, { stream: true }));
  }

  end(): Buffer {
    return Buffer.from(this.#decoder.decode());
  }
}

/** Readers believe a byte order mark more than the header. WHATWG Encoding, "BOM sniff". */
class MarkedText implements Decoding {
  #decoding: Decoding | undefined = undefined;
  #isBegun = false;
  #first = NOTHING;

  decode(octets: Buffer): Buffer {
    if (this.#isBegun) return this.#decoding?.decode(octets) ?? octets;
    const begin = this.#first.length === 0 ? octets : Buffer.concat([this.#first, octets]);
    if (begin.length < 2) {
      this.#first = Buffer.from(begin);
      return NOTHING;
    }
    this.#isBegun = true;
    const mark = begin.readUInt16BE(0);
    if (mark === 0xfffe) this.#decoding = new CharsetText(new TextDecoder('utf-16le'));
    if (mark === 0xfeff) this.#decoding = new CharsetText(new TextDecoder('utf-16be'));
    return this.#decoding?.decode(begin) ?? begin;
  }

  end(): Buffer {
    return this.#isBegun ? (this.#decoding?.end() ?? NOTHING) : this.#first;
  }
}

/** Entities that can stand in a URL for something that matters to where it leads. WHATWG HTML section 13.5. */
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  bsol: '\\',
  colon: ':',
  commat: '@',
  hyphen: '\u2010',
  lowbar: '_',
  num: '#',
  percnt: '%',
  period: '.',
  quest: '?',
  shy: '\u00ad',
  sol: '/',
  Tab: '\t',
  NewLine: '\n',
};
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]{3,7}));?/g;
/** An entity that has begun, at the end of a piece. */
const BEGUN = /&[#\w]{0,9}$/;
const LONGEST_ENTITY = 10;
const MAX_CODE = 0x10_ffff;

export class EntityDecoding implements Decoding {
  #rest = NOTHING;

  decode(octets: Buffer): Buffer {
    const input = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    this.#rest = NOTHING;
    const { length } = input;
    const begun = BEGUN.exec(input.latin1Slice(Math.max(0, length - LONGEST_ENTITY)));
    const whole = begun === null ? length : length - begun[0].length;
    if (whole < length) this.#rest = Buffer.from(input.subarray(whole));
    return withoutEntities(input.subarray(0, whole));
  }

  end(): Buffer {
    const rest = withoutEntities(this.#rest);
    this.#rest = NOTHING;
    return rest;
  }
}

function withoutEntities(octets: Buffer): Buffer {
  if (!octets.includes('&')) return octets;
  const text = octets
    .latin1Slice()
    .replace(ENTITY, (entity, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return asOctets(NAMED[name] ?? entity);
      const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
      return code > MAX_CODE ? entity : asOctets(String.fromCodePoint(code));
    });
  return Buffer.from(text, 'latin1');
}

/** UTF-8, one character an octet. */
const asOctets = (text: string): string => Buffer.from(text).latin1Slice();
