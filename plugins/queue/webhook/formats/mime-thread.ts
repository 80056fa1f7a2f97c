/**
 * The work of a thread: takes one message apart. The parser decodes by `TextDecoder`, which gets other answers here where a
 * character would be lost: lines of the headers of parts (`ignoreBOM` tells them) and bodies that name no charset (`utf8`) are
 * windows-1252 if they are no UTF-8, and what names windows-1252 is that in every Node.
 */

import { isUtf8 } from 'node:buffer';
import type { Email } from 'postal-mime';
import { LABELS, withLetters, withUtf8Header } from './windows-1252.ts';

/** Deeper messages are made to exhaust whoever reads them; mail that people write has a handful of levels. */
const LIMITS = { maxNestingDepth: 50, maxHeadersSize: 1_048_576, maxRfc822NestingDepth: 5 } as const;

type Octets = Parameters<InstanceType<typeof TextDecoder>['decode']>[0];
type View = Exclude<Octets, null | undefined>;

class MailDecoder extends TextDecoder {
  readonly #isSingle: boolean;
  readonly #isGuessed: boolean;

  constructor(label = 'utf-8', options: ConstructorParameters<typeof TextDecoder>[1] = {}) {
    const isSingle = LABELS.includes(label);
    super(isSingle ? 'utf-8' : label, options);
    this.#isSingle = isSingle;
    this.#isGuessed = label === 'utf8' || options.ignoreBOM === true;
  }

  override decode(octets?: Octets, options?: { stream?: boolean }): string {
    const view = viewOf(octets ?? new Uint8Array(0));
    const isOther = this.#isSingle || (this.#isGuessed && !isUtf8(view));
    return isOther ? withLetters(view.latin1Slice(0, view.length)) : super.decode(octets, options);
  }
}

const viewOf = (octets: View): Buffer =>
  ArrayBuffer.isView(octets)
    ? Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    : Buffer.from(octets);

globalThis.TextDecoder = MailDecoder;
// Later than the decoder: the parser makes some of them while it is loaded.
const { default: PostalMime } = await import('postal-mime');

/** A buffer that was handed to a thread arrives as the array that it is. */
export async function takeApart(raw: Uint8Array): Promise<{ email: Email } | { problem: string }> {
  const whole = withUtf8Header(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength));
  try {
    return { email: await PostalMime.parse(whole, { ...LIMITS, attachmentEncoding: 'base64' }) };
  } catch (cause) {
    return { problem: String(cause) };
  }
}
