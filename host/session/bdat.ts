/**
 * BDAT: the message comes in chunks of announced size. RFC 3030 section 2. The octets of a chunk, refused or not, are
 * never read as commands: what a sender puts into a message must not be obeyed.
 */

import { isDenial, ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { refusals } from '../replies/refusals.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import { refuse, resetTransaction } from './closing.ts';
import { breakOff, isUnsafe, offerHeader } from './content-flow.ts';
import { announceHeader, endOfData, takeHeader } from './end-of-data.ts';
import { offers } from './extensions.ts';
import { chunksHaveBegun, IncomingData } from './incoming-data.ts';
import {
  askHook,
  COMMAND,
  NEXT,
  settled,
  STOP,
  type Outcome,
  type Progress,
  type Settle,
  type Step,
} from './steps.ts';
import { closeWith, hasMoreCommands, refuseMoreCommands } from './limits.ts';
import { unrecognized } from './plain-verbs.ts';
import type { Session } from './session.ts';

const ARGUMENT = /^(\d+)(?:[ \t]+(LAST))?[ \t]*$/i;
const SIZE = /^\d+(?=[ \t]|$)/;

/** Chunks from this size on are no commands by which to wear out the daemon. */
const LARGE = 1_024;

/** The chunk at hand. Is the input mode while its octets come. */
export class Chunk {
  readonly kind = 'bdat';
  /** As announced. */
  octets = 0;
  /** Still to come. */
  left = 0;
  isLast = false;
  /** The chunk has had its reply; its octets are dropped. */
  isRefused = false;
  /** The answer to every further chunk until RSET or MAIL, because one was refused. */
  refusal: ChunkRefusal | undefined = undefined;

  /** Large enough not to count as a command. Smaller ones count, except for the last, which ends a message. */
  get isLarge(): boolean {
    return this.octets >= LARGE;
  }

  begin(octets: number, isLast: boolean): void {
    this.octets = this.left = octets;
    this.isLast = isLast;
    this.isRefused = false;
  }
}

interface ChunkRefusal {
  readonly reply: Template;
  /** The recipients whom the reply to the last chunk has to answer, see `Session.answered`. */
  readonly answered: Session['answered'];
  /** Has the text of a plugin. */
  readonly verdict?: Verdict;
}

function requireChunking(session: Session): Progress {
  if (offers(session, 'CHUNKING')) return NEXT;
  session.run(unrecognized);
  return STOP;
}

function announce(session: Session): Progress {
  const found = ARGUMENT.exec(session.command.argument);
  const octets = Number(found?.[1]);
  if (!Number.isSafeInteger(octets)) return refuseSpoilt(session);
  session.chunk.begin(octets, found?.[2] !== undefined);
  return NEXT;
}

/**
 * The client may send what it has announced even if we refuse the line. As long as the size can be read the octets are
 * skipped. Where it cannot, the octets would be read as commands, so that a message could hold some to be obeyed
 * (smuggling): the connection ends.
 */
function refuseSpoilt(session: Session): Progress {
  const octets = Number(SIZE.exec(session.command.argument)?.[0]);
  if (!Number.isSafeInteger(octets)) return closeWith(session, replies.badChunkSize);
  if (hasMoreCommands(session)) return refuseMoreCommands(session);
  session.chunk.begin(octets, false);
  return refuseChunk(session, replies.badChunkSize);
}

/** Small chunks cost a command each. The chunks of a large message may be many. */
function limitSmall(session: Session): Progress {
  const { isLarge, isLast } = session.chunk;
  return isLarge || isLast || !hasMoreCommands(session) ? NEXT : refuseMoreCommands(session);
}

function requireEnvelope(session: Session): Progress {
  const { openTransaction } = session;
  const { refusal } = session.chunk;
  if (refusal !== undefined) return repeat(session, refusal);
  if (openTransaction?.reversePath === undefined) return answerAndSkip(session, replies.mailFirst);
  if (openTransaction.recipients.length === 0) return answerAndSkip(session, replies.recipientFirst);
  return NEXT;
}

function answerAndSkip(session: Session, reply: Template): Progress {
  session.send(reply);
  return skipChunk(session);
}

function repeat(session: Session, { reply, verdict, answered }: ChunkRefusal): Progress {
  if (session.chunk.isLast) session.beginAnswer(answered);
  if (verdict === undefined) session.send(reply);
  else session.sendVerdict(reply, verdict);
  return skipChunk(session);
}

const settle: Settle = (session, verdict) => {
  const { answered } = session;
  if (session.chunk.isLast && isDenial(verdict.code)) session.beginAnswer();
  const refused = refuse(session, 'data', verdict);
  if (refused === undefined) return verdict.code === ReturnCode.DONE ? skipChunk(session) : NEXT;
  const refusal = { reply: refusals.data![verdict.code]!.reply, verdict, answered };
  return refused instanceof Promise
    ? refused.then(() => skipFrom(session, refusal))
    : skipFrom(session, refusal);
};

const askData = askHook('data', settle);

/** The plugins are asked once for a message, as before DATA. */
const askAtFirst: Step = (session) => (chunksHaveBegun(session) ? NEXT : askData(session));

/** As before DATA, the route is told of content only once there is a place for it here. */
function prepareAtFirst(session: Session): Progress {
  if (chunksHaveBegun(session)) return NEXT;
  session.openIncoming?.abandon();
  session.openIncoming = IncomingData.inChunks(session);
  if (session.openIncoming === undefined) return refuseChunk(session, replies.systemFull);
  return settled(session, session.route.open(session), settle);
}

function receive(session: Session): Progress {
  const { chunk, incoming, host } = session;
  const { databytes } = host.settings;
  if (databytes > 0 && (incoming.chunks?.octets ?? 0) + chunk.octets > databytes) {
    return refuseChunk(session, replies.messageTooBig);
  }
  session.mode = chunk;
  if (chunk.left === 0) endChunk(session, chunk);
  return STOP;
}

export const bdat: readonly Step[] = [
  requireChunking,
  announce,
  limitSmall,
  requireEnvelope,
  askAtFirst,
  prepareAtFirst,
  receive,
];

/** The same for a line that is too long or has octets that no command may have. */
export const spoiltBdat: readonly Step[] = [requireChunking, refuseSpoilt];

/** The chunk was answered: its octets are read and dropped. */
function skipChunk(session: Session): Outcome {
  const chunk = session.chunk;
  chunk.isRefused = true;
  if (session.isOpen) session.mode = chunk.left > 0 ? chunk : COMMAND;
  return STOP;
}

/** Skips this chunk and gives every further one the same answer: the client has to begin anew. */
function skipFrom(session: Session, refusal: ChunkRefusal): Outcome {
  session.chunk.refusal = refusal;
  return skipChunk(session);
}

/** Refuses the chunk and, by that, the message. The client learns it at once and may still send what it announced. */
function refuseChunk(session: Session, reply: Template): Progress {
  const refusal = { reply, answered: session.answered };
  if (session.chunk.isLast) session.beginAnswer();
  session.send(reply);
  const reset = resetTransaction(session);
  return reset instanceof Promise ? reset.then(() => skipFrom(session, refusal)) : skipFrom(session, refusal);
}

/** Reads from `chunk` at `from` on, at most to the end of the BDAT chunk, and returns where it stopped. */
export function readChunk(session: Session, state: Chunk, chunk: Buffer, from: number): number {
  const to = Math.min(chunk.length, from + state.left);
  state.left -= to - from;
  const incoming = session.openIncoming;
  if (!state.isRefused && incoming?.chunks !== undefined) {
    const piece = from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to);
    incoming.chunks.scan(piece);
    if (
      incoming.flow === 'flowing' &&
      !incoming.isBinary &&
      isUnsafe(session.host.core.dataFlags(incoming.slot))
    ) {
      breakOff(session, incoming);
    }
    incoming.message.content.append(piece, session.isInputLent);
    if (state.left > 0) whileItArrives(session, incoming);
  }
  if (state.left === 0) endChunk(session, state);
  return to;
}

function whileItArrives(session: Session, { message, wantsHeader, isHeaderAnnounced }: IncomingData): void {
  if (wantsHeader && !isHeaderAnnounced && message.headerEnds()) session.run(takeHeader);
  const drained = message.content.drained();
  if (drained !== undefined && !session.isBusy) session.holdInput(drained);
}

/** All octets of the chunk have come. A chunk that was refused has had its reply. */
function endChunk(session: Session, { isRefused, isLast }: Chunk): void {
  if (!session.isOpen) return;
  session.mode = COMMAND;
  if (isRefused || session.openIncoming === undefined) return;
  session.run(isLast ? endOfData : endOfChunk);
}

const announceWholeHeader: Step = (session) => {
  const { wantsHeader, message } = session.incoming;
  return wantsHeader && message.headerEnds() ? announceHeader(session) : NEXT;
};

/** A client that sends chunk upon chunk without waiting must not outrun the spool. */
function waitForSpool(session: Session): Progress {
  const drained = session.incoming.message.content.drained();
  return drained === undefined ? NEXT : drained.then((): Outcome => NEXT);
}

function acknowledge(session: Session): Progress {
  if (session.incoming.message.content.failure !== undefined) return refuseChunk(session, replies.systemFull);
  const { octets, isLarge } = session.chunk;
  if (isLarge) session.counters.commands--;
  session.send(replies.chunkReceived, String(octets));
  return NEXT;
}

const endOfChunk: readonly Step[] = [announceWholeHeader, offerHeader, waitForSpool, acknowledge];
