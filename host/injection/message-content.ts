/** The content of a message that is to be injected, and how it gets into the dialogue. */

import { Readable } from 'node:stream';
import { DotStuffing } from '../../bindings/wire/dot-stuffing.ts';
import type { SmtpDialogue } from './smtp-dialogue.ts';

export interface MessageContent {
  /** Octets, as far as known beforehand. */
  readonly octets: number | undefined;
  /** Can be sent again, in another transaction. */
  readonly isRepeatable: boolean;
  /** Octets above 127 may stand in it. */
  readonly isEightBit: boolean;
  /** To be read once, and to the end or not at all; called again only if it is repeatable. */
  open(): Readable;
}

/** Written in pieces: other sessions have their turns between them. */
const PIECE = 65_536;

/** A content that is there as a whole. */
export class WholeContent implements MessageContent {
  readonly isRepeatable = true;
  readonly #content: Buffer;
  #isEightBit: boolean | undefined = undefined;

  constructor(content: Buffer) {
    this.#content = content;
  }

  get octets(): number {
    return this.#content.length;
  }

  get isEightBit(): boolean {
    return (this.#isEightBit ??= /[\u0080-\u00ff]/.test(this.#content.latin1Slice()));
  }

  open(): Readable {
    return Readable.from(pieces(this.#content), { objectMode: false });
  }
}

function* pieces(content: Buffer): Iterable<Buffer> {
  for (let at = 0; at < content.length; at += PIECE) yield content.subarray(at, at + PIECE);
}

/** A content that arrives while it is handed on. */
export class ArrivingContent implements MessageContent {
  readonly isRepeatable = false;
  /** Not known yet; what has to be 7-bit by then is up to the outlet. */
  readonly isEightBit = true;
  readonly octets: number | undefined;
  readonly #source: Readable;
  readonly #tap: ((block: Buffer) => void) | undefined;

  /** `tap` sees every block that is read. */
  constructor(source: Readable, octets: number | undefined, tap?: (block: Buffer) => void) {
    this.#source = source;
    this.octets = octets;
    this.#tap = tap;
    // One that breaks off before or after it is read has no other listener.
    source.on('error', ignore);
  }

  open(): Readable {
    if (this.#tap !== undefined) this.#source.on('data', this.#tap);
    return this.#source;
  }
}

const CR = 0x0d;
const LF = 0x0a;

/**
 * Puts a CR before every lone LF, over blocks cut anywhere. Programs write messages with LF, and HTTP leaves bodies as they are; a lone LF
 * would be refused, rightly, as it could hide an end of data (SMTP smuggling). A lone CR stays, and is refused.
 */
export class CrlfLines {
  #last = 0;

  /** `block` itself if there is nothing to put in. */
  convert(block: Buffer): Buffer {
    const lone = this.#loneLineFeeds(block);
    if (block.length > 0) this.#last = block[block.length - 1]!;
    if (lone.length === 0) return block;
    const out = Buffer.allocUnsafe(block.length + lone.length);
    let from = 0;
    let to = 0;
    for (const at of lone) {
      to += block.copy(out, to, from, at);
      out[to++] = CR;
      from = at;
    }
    block.copy(out, to, from);
    return out;
  }

  #loneLineFeeds(block: Buffer): number[] {
    const lone: number[] = [];
    for (let at = block.indexOf(LF); at >= 0; at = block.indexOf(LF, at + 1))
      if ((at === 0 ? this.#last : block[at - 1]) !== CR) lone.push(at);
    return lone;
  }
}

/** How the pouring of a content ended. */
export type PourEnd =
  /** Everything is in, the end of data not. */
  | 'whole'
  /** The session has answered or ended before that. */
  | 'answered'
  /** The source broke off. */
  | 'aborted'
  /** The content can't be sent: a dot stands after a lone CR. */
  | 'unfit';

/** Pours the content into the dialogue as fast as the session takes it, in the form of DATA; the rest is left unread. */
export function pour(source: Readable, dialogue: SmtpDialogue): Promise<{ end: PourEnd; ending: Buffer }> {
  const lines = new CrlfLines();
  const stuffing = new DotStuffing();
  return new Promise((resolve) => {
    const settle = (end: PourEnd): void => {
      source.off('data', take).off('end', whole).off('close', broken).off('error', broken);
      source.pause();
      dialogue.watch(undefined);
      resolve({ end, ending: stuffing.end() });
    };
    const whole = (): void => settle('whole');
    const broken = (): void => settle('aborted');
    const take = (block: Buffer): void => {
      if (dialogue.isAnswered) return settle('answered');
      try {
        let hasRoom = true;
        for (const piece of stuffing.stuff(lines.convert(block))) hasRoom = dialogue.write(piece);
        if (!hasRoom) source.pause();
      } catch {
        // A `StrayLineEnd` is all that stuffing throws.
        settle('unfit');
      }
    };
    dialogue.watch(() => (dialogue.isAnswered ? settle('answered') : source.resume()));
    if (dialogue.isAnswered) return settle('answered');
    if (source.readableEnded) return settle('whole');
    if (source.destroyed) return settle('aborted');
    source.on('data', take).on('end', whole).on('close', broken).on('error', broken);
    source.resume();
  });
}

const ignore = (): void => undefined;
