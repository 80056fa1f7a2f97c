/**
 * BDAT: the message comes in chunks of announced size. RFC 3030 section 2. Whatever becomes of a chunk, its octets are
 * read as octets and never as commands: what a sender puts into a message must not be obeyed.
 */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { endChunk } from './bdat-reader.ts';
import { Chunk, hasBegun, refuseChunk, skipChunk, skipFrom, type ChunkRefusal } from './chunk.ts';
import { IncomingData } from './data-reader.ts';
import { offers } from './extensions.ts';
import { closeWith, hasMoreCommands, refuseMoreCommands } from './limits.ts';
import { unrecognized } from './plain-verbs.ts';
import { refuse } from './refusal.ts';
import { refusals } from '../replies/refusals.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { asking, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

const ARGUMENT = /^(\d+)(?:[ \t]+(LAST))?[ \t]*$/i;
const SIZE = /^\d+(?=[ \t]|$)/;

function requireChunking(session: Session): Progress {
  if (offers(session, 'CHUNKING')) return NEXT;
  session.run(unrecognized);
  return STOP;
}

function announce(session: Session): Progress {
  const found = ARGUMENT.exec(session.command.argument);
  const octets = Number(found?.[1]);
  if (!Number.isSafeInteger(octets)) return refuseSpoilt(session);
  (session.chunk ??= new Chunk()).begin(octets, found![2] !== undefined);
  return NEXT;
}

/**
 * The client may send what it has announced whatever we think of the line. As long as the size can be read the octets are
 * skipped. Where it cannot, the octets would be read as commands, so that a message could hold some to be obeyed
 * (smuggling): the connection ends.
 */
function refuseSpoilt(session: Session): Progress {
  const octets = Number(SIZE.exec(session.command.argument)?.[0]);
  if (!Number.isSafeInteger(octets)) return closeWith(session, replies.badChunkSize);
  if (hasMoreCommands(session)) return refuseMoreCommands(session);
  (session.chunk ??= new Chunk()).begin(octets, false);
  return refuseChunk(session, replies.badChunkSize);
}

/** A message cut into crumbs costs a command for each of them. The chunks of a large message may be many. */
function limitSmall(session: Session): Progress {
  const { isLarge, isLast } = session.chunk!;
  return isLarge || isLast || !hasMoreCommands(session) ? NEXT : refuseMoreCommands(session);
}

function requireEnvelope(session: Session): Progress {
  const { openTransaction } = session;
  const { refusal } = session.chunk!;
  if (refusal !== undefined) return repeat(session, refusal);
  if (openTransaction?.reversePath === undefined) return answerAndSkip(session, replies.mailFirst);
  if (openTransaction.recipients.length === 0) return answerAndSkip(session, replies.recipientFirst);
  return NEXT;
}

function answerAndSkip(session: Session, reply: Template): Progress {
  session.send(reply);
  return skipChunk(session);
}

function repeat(session: Session, { reply, verdict }: ChunkRefusal): Progress {
  if (verdict === undefined) session.send(reply);
  else session.sendVerdict(reply, verdict);
  return skipChunk(session);
}

const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'data', verdict);
  if (refused === undefined) return verdict.code === ReturnCode.DONE ? skipChunk(session) : NEXT;
  const refusal = { reply: refusals.data![verdict.code]!.reply, verdict };
  return refused instanceof Promise
    ? refused.then(() => skipFrom(session, refusal))
    : skipFrom(session, refusal);
};

const askData = asking('data', settle);

/** The plugins are asked once for a message, as before DATA. */
const askAtFirst: Step = (session) => (hasBegun(session) ? NEXT : askData(session));

/** As before DATA, the route is told of content only once there is a place for it here. */
function prepareAtFirst(session: Session): Progress {
  if (hasBegun(session)) return NEXT;
  session.incoming?.abandon();
  session.incoming = IncomingData.inChunks(session);
  if (session.incoming === undefined) return refuseChunk(session, replies.systemFull);
  return settled(session, session.route.open(session), settle);
}

function receive(session: Session): Progress {
  const chunk = session.chunk!;
  const { databytes } = session.host.settings;
  if (databytes > 0 && session.incoming!.chunks!.octets + chunk.octets > databytes) {
    return refuseChunk(session, replies.messageTooBig);
  }
  session.mode = 'bdat';
  if (chunk.left === 0) endChunk(session);
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
