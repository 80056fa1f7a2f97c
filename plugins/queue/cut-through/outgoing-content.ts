/** Content on its way to the hop while it is still coming in, its end withheld until everybody agrees to it. */

import type { HopReply } from '../../../bindings/plugin/index.ts';
import { DotStuffing } from '../../../bindings/wire/dot-stuffing.ts';
import type { HopConnection } from '../smtp/hop-connection.ts';
import { isGood } from '../smtp/hop-replies.ts';

/** Octets of a chunk of BDAT, about. */
const CHUNK = 65_536;
/** Chunks whose replies are still to come. */
const MAX_PENDING = 3;

export interface OutgoingContent {
  /** Throws a `StrayLineEnd`; the content may not be ended then. */
  write(octets: Buffer): void;
  /** See `ContentSink.drained`; rejects with a `HopFault`. */
  drained(): Promise<void> | undefined;
  /** Before the end: undefined, or what the hop has said although nobody asked it yet. */
  settle(): Promise<HopReply | undefined>;
  /** Sends the end; one reply is owed for it. */
  end(): void;
}

/** By DATA. RFC 5321 section 4.5.2. The hop has said 354. */
export class OutgoingData implements OutgoingContent {
  readonly #connection: HopConnection;
  readonly #blockMs: number;
  readonly #stuffing = new DotStuffing();

  constructor(connection: HopConnection, blockMs: number) {
    this.#connection = connection;
    this.#blockMs = blockMs;
    connection.owe(1);
  }

  write(octets: Buffer): void {
    const connection = this.#connection;
    // A hop that has answered does not read any more, or takes what comes for commands.
    if (connection.hasReply) return;
    const pieces = this.#stuffing.stuff(octets);
    for (const piece of pieces) connection.write(piece);
  }

  drained(): Promise<void> | undefined {
    return this.#connection.hasReply ? undefined : this.#connection.drained(this.#blockMs);
  }

  async settle(): Promise<HopReply | undefined> {
    return this.#connection.hasReply ? await this.#connection.reply('data', this.#blockMs) : undefined;
  }

  end(): void {
    this.#connection.write(this.#stuffing.end());
  }
}

/** By BDAT, for content that has no lines. RFC 3030 section 2. */
export class OutgoingChunks implements OutgoingContent {
  readonly #connection: HopConnection;
  readonly #blockMs: number;
  #gathered: Buffer[] = [];
  #octets = 0;
  #pending = 0;
  #refusal: HopReply | undefined;

  constructor(connection: HopConnection, blockMs: number) {
    this.#connection = connection;
    this.#blockMs = blockMs;
  }

  write(octets: Buffer): void {
    if (this.#refusal !== undefined) return;
    this.#gathered.push(octets);
    this.#octets += octets.length;
    if (this.#octets >= CHUNK) this.#send(false);
  }

  drained(): Promise<void> | undefined {
    if (this.#pending > MAX_PENDING) return this.#takeReplies(MAX_PENDING);
    return this.#connection.drained(this.#blockMs);
  }

  async settle(): Promise<HopReply | undefined> {
    await this.#takeReplies(0);
    return this.#refusal;
  }

  end(): void {
    this.#send(true);
  }

  async #takeReplies(most: number): Promise<void> {
    for (; this.#pending > most; this.#pending--) {
      const reply = await this.#connection.reply('data', this.#blockMs);
      if (!isGood(reply)) this.#refusal ??= reply;
    }
  }

  #send(isLast: boolean): void {
    const connection = this.#connection;
    connection.command(`BDAT ${this.#octets}${isLast ? ' LAST' : ''}\r\n`);
    for (const block of this.#gathered) connection.write(block);
    if (!isLast) this.#pending++;
    this.#gathered = [];
    this.#octets = 0;
  }
}
