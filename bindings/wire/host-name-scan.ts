/** Host names in a text that comes in pieces, found by the byte-level core. */

import { coreOfProcess } from '../core.ts';
import { HOST_WORDS, HOSTS_BEGIN, HostFlag, HostWord, type Core } from '../core/contract.ts';

/** How a name stands in the text. */
export type HostNamePlace =
  /** As the host of a URL: after `//`, a user and `@` left out. It may be a number, or anything else. */
  | 'url'
  /** As an address between brackets, in a URL. RFC 3986 section 3.2.2. */
  | 'literal'
  /** Anywhere: it has a dot within. */
  | 'text'
  /** A piece of a run without end, which is no name itself. One may be within, among octets above 127. */
  | 'piece';

/**
 * Called for each name in the order of the text, one character an octet, as it stands there: capitals, U-labels in UTF-8 and `%XX`
 * are left alone. Most of them are no names of the DNS: `index.html` looks like one.
 */
export type HostNameFound = (name: string, place: HostNamePlace) => void;

const NOTHING = Buffer.alloc(0);

/** Cuts between the pieces make no difference. A piece of 64 KiB of text takes about a tenth of a millisecond. */
export class HostNameScan {
  readonly #core: Core;
  readonly #found: HostNameFound;
  #state: number = HOSTS_BEGIN;
  /** What has not ended: at most what the core looks at as a whole. */
  #kept = NOTHING;

  constructor(found: HostNameFound, core: Core = coreOfProcess().core) {
    this.#found = found;
    this.#core = core;
  }

  /** `octets` may be reused after the call. */
  write(octets: Buffer): void {
    this.#scan(octets, false);
  }

  /** The text is over. The scan may be used for another one after that. */
  end(): void {
    this.#scan(NOTHING, true);
    this.#state = HOSTS_BEGIN;
    this.#kept = NOTHING;
  }

  #scan(octets: Buffer, isEnd: boolean): void {
    const text = this.#kept.length === 0 ? octets : Buffer.concat([this.#kept, octets]);
    let from = 0;
    for (;;) {
      const count = this.#core.hosts(text, from, this.#state, isEnd);
      const { consumed, hostState } = this.#core;
      // Copied before they are reported: the callback may use the core.
      const records = this.#core.hostRecords.slice(0, count * HOST_WORDS);
      for (let at = 0; at < records.length; at += HOST_WORDS) {
        const name = text.latin1Slice(from + records[at + HostWord.from]!, from + records[at + HostWord.to]!);
        this.#found(name, placeOf(records[at + HostWord.flags]!));
      }
      from += consumed;
      this.#state = hostState;
      if (consumed === 0) break;
    }
    // A copy: the octets are the caller's.
    this.#kept = from === text.length ? NOTHING : Buffer.from(text.subarray(from));
  }
}

function placeOf(flags: number): HostNamePlace {
  if ((flags & HostFlag.Piece) !== 0) return 'piece';
  if ((flags & HostFlag.Brackets) !== 0) return 'literal';
  return (flags & HostFlag.Authority) !== 0 ? 'url' : 'text';
}
