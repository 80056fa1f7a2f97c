/** Encoded words in header fields: RFC 2047. */

import { charsetDecoding } from './text-decoding.ts';
import { decodingOf } from './transfer-decoding.ts';

/** With the language of RFC 2231 section 5, which is left out. */
const WORD =
  /=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bq])\?([^?\s]{0,1000})\?=(?:\s+(?==\?[^?\s]+\?[bq]\?))?/gi;

/** The text of a field, from which words that cannot be decoded are not taken out. `value`: one character an octet. */
export function decodeWords(value: string): Buffer {
  const text = value.replace(WORD, (_, charset: string, encoding: string, word: string) =>
    decodeWord(charset.toLowerCase(), encoding.toLowerCase() === 'b', word).latin1Slice(),
  );
  return Buffer.from(text, 'latin1');
}

function decodeWord(charset: string, isBase64: boolean, word: string): Buffer {
  const transfer = decodingOf(isBase64 ? 'base64' : 'quoted-printable')!;
  const letters = charsetDecoding(charset);
  const octets = Buffer.from(isBase64 ? word : word.replaceAll('_', ' '), 'latin1');
  const plain = Buffer.concat([transfer.decode(octets), transfer.end()]);
  return Buffer.concat([letters.decode(plain), letters.end()]);
}
