/** The content of a message on its way to the hop, by DATA or by BDAT. RFC 5321 section 4.1.1.4, RFC 3030 section 2. */

import type { HopReply, Message } from '../../../bindings/plugin/index.ts';
import type { HopTimeouts } from './hop-options.ts';
import { DotStuffing, stuffedWhole } from '../../../bindings/wire/dot-stuffing.ts';
import type { HopConnection } from './hop-connection.ts';
import { isGood } from './hop-replies.ts';

/** A chunk is sent once it has so many octets: few replies, and no more than that in memory. */
const CHUNK = 1_048_576;
/** Chunks whose replies are still to come: what the hop refuses is not sent on for ever. */
const MAX_PENDING = 3;

export interface Sending {
  readonly connection: HopConnection;
  readonly message: Message;
  readonly timeouts: HopTimeouts;
  /** Its `isEnding` is set when the message is over with the octets that go out next: from now on the hop may have it. */
  readonly transaction: { isEnding: boolean };
}

/** A content that is not longer leaves in one piece: one buffer is cheaper than a list of them. */
const ONE_PIECE = 16_384;

/** The blocks of a content that may leave in one piece; undefined if it is long, or is not at hand in memory. */
export function contentAtHand(message: Message): readonly Buffer[] | undefined {
  if (message.octets > ONE_PIECE) return undefined;
  const blocks = message.blocks('crlf');
  return Symbol.asyncIterator in blocks ? undefined : [...blocks];
}

const RECIPIENT_VERB = /RCPT/i;

/**
 * True if the content, read as commands, could name a recipient: hops have been seen (Exchange 2000) that refuse a chunk for
 * which there is no recipient, and do not swallow it. A client whose recipients are all refused could have such a hop
 * deliver in our name what no plugin has seen (SMTP smuggling).
 */
export function couldNameRecipients(content: readonly Buffer[]): boolean {
  let text = '';
  for (const block of content) text += block.toString('latin1');
  return RECIPIENT_VERB.test(text);
}

/** The commands, each with its line end, and after them the content as the last chunk. */
export function inOneChunk(commands: string, content: readonly Buffer[]): Buffer {
  const lines = `${commands}BDAT ${octetsOf(content)} LAST\r\n`;
  return Buffer.concat([Buffer.from(lines), ...content]);
}

/**
 * Sends the content and the dot; DATA has been answered by 354 and the reply to come is owed. True, or resolves with that,
 * once the dot is out; false if the hop has replied before, so that the connection is of no more use.
 * Throws or rejects with whatever reading the message throws, and with a `StrayLineEnd`.
 */
export function sendData(sending: Sending): Promise<boolean> | boolean {
  const content = contentAtHand(sending.message);
  return content === undefined
    ? sendBlocks(sending, sending.message.blocks('crlf'))
    : endContent(sending, stuffedWhole(content));
}

async function sendBlocks(
  sending: Sending,
  blocks: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<boolean> {
  const { connection, timeouts } = sending;
  const stuffing = new DotStuffing();
  for await (const block of blocks) {
    for (const piece of stuffing.stuff(block)) connection.write(piece);
    const drained = connection.drained(timeouts.blockMs);
    if (drained === undefined) continue;
    // A hop that refuses and closes at once is to be heard all the same.
    await drained.catch((cause: unknown) => {
      if (!connection.hasReply) throw cause;
    });
    if (connection.hasReply) return false;
  }
  return endContent(sending, stuffing.end());
}

/** What was said before the end is not about the message, and what is said after it would go to the next one. */
function endContent({ connection, transaction }: Sending, octets: Buffer): boolean {
  if (connection.hasReply) return false;
  if (connection.isOpen) transaction.isEnding = true;
  connection.write(octets);
  return true;
}

/**
 * Sends the content in chunks. Resolves with undefined once the last one is out, with `lastReplies` replies owed for it;
 * with the reply to a chunk that was refused, after which the connection is of no more use.
 */
export async function sendChunks(sending: Sending, lastReplies: number): Promise<HopReply | undefined> {
  const { connection, message, timeouts, transaction } = sending;
  const mayPipeline = connection.extensions.has('PIPELINING');
  let gathered: Buffer[] = [];
  let octets = 0;
  let pending = 0;
  const settle = async (most: number): Promise<HopReply | undefined> => {
    for (; pending > most; pending--) {
      const reply = await connection.reply('data', timeouts.blockMs);
      if (!isGood(reply)) return reply;
    }
    return undefined;
  };
  const send = (last: boolean): void => {
    if (last && connection.isOpen) transaction.isEnding = true;
    connection.command(`BDAT ${octets}${last ? ' LAST' : ''}\r\n`, last ? lastReplies : 1);
    for (const block of gathered) connection.write(block);
    gathered = [];
    octets = 0;
  };
  for await (const block of message.blocks('crlf')) {
    if (octets + block.length > CHUNK) {
      send(false);
      pending++;
      await connection.drained(timeouts.blockMs);
      const refusal = await settle(mayPipeline ? MAX_PENDING : 0);
      if (refusal !== undefined) return refusal;
    }
    gathered.push(block);
    octets += block.length;
  }
  // Once the last chunk is out nothing can be taken back, so all others have to be accepted before.
  const refusal = await settle(0);
  if (refusal !== undefined) return refusal;
  send(true);
  return undefined;
}

function octetsOf(blocks: readonly Buffer[]): number {
  let octets = 0;
  for (const { length } of blocks) octets += length;
  return octets;
}
