/**
 * DATA: asks the plugins, checks the order, and lets the content come. The core finds its end and the dots, the message
 * keeps the octets. RFC 5321 sections 4.1.1.4 and 4.5.2.
 */

import { DataFlag, WINDOW } from '../../bindings/core/contract.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { replies } from '../replies/replies.ts';
import { disconnect, refuse } from './closing.ts';
import { breakOff, isUnsafe } from './content-flow.ts';
import { endOfData, takeHeader } from './end-of-data.ts';
import { chunksHaveBegun, IncomingData } from './incoming-data.ts';
import {
  answer,
  askHook,
  COMMAND,
  NEXT,
  settled,
  STOP,
  type Progress,
  type Settle,
  type Step,
} from './steps.ts';
import type { Session } from './session.ts';

const CR: Buffer = Buffer.from('\r');
/** Octets between two dots of dot-stuffing below which they are copied one by one. */
const SHORT_PIECE = 128;

/** qpsmtpd asks its plugins before it checks the order; earlytalker counts on it. */
const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'data', verdict);
  if (refused !== undefined) return refused;
  return verdict.code === ReturnCode.DONE ? STOP : NEXT;
};

/** A message comes by DATA or by BDAT, and a binary one only by the latter. RFC 3030 sections 2 and 3. */
function refuseMixed(session: Session): Progress {
  if (chunksHaveBegun(session)) return answer(session, replies.bdatBegun);
  if (session.openTransaction?.mailOptions.body !== 'binarymime') return NEXT;
  return answer(session, replies.binaryNeedsBdat);
}

function requireEnvelope(session: Session): Progress {
  const { openTransaction } = session;
  if (openTransaction?.reversePath === undefined) return answer(session, replies.mailFirst);
  if (openTransaction.recipients.length === 0) return answer(session, replies.recipientFirst);
  return NEXT;
}

/** Before the route is opened: after its DATA a next hop takes everything for content. */
function prepare(session: Session): Progress {
  session.openIncoming = IncomingData.begin(session);
  return session.openIncoming === undefined ? answer(session, replies.systemFull) : NEXT;
}

const open = (session: Session): Progress => settled(session, session.route.open(session), settle);

function receive(session: Session): Progress {
  session.mode = session.incoming;
  session.send(replies.goAhead);
  return STOP;
}

export const data: readonly Step[] = [
  refuseMixed,
  askHook('data', settle),
  requireEnvelope,
  prepare,
  open,
  receive,
];

/** Reads mail data from `chunk` at `from` on and returns where it stopped. */
export function readData(session: Session, incoming: IncomingData, chunk: Buffer, from: number): number {
  const { core, settings } = session.host;
  const isEnd = core.data(incoming.slot, chunk, from);
  const next = from + core.consumed;
  const limit = settings.databytes;
  if (limit > 0 && !incoming.isTooBig && core.dataOctets(incoming.slot) > limit) {
    incoming.isTooBig = true;
    breakOff(session, incoming);
  }
  if (incoming.flow === 'flowing' && isUnsafe(core.dataFlags(incoming.slot))) breakOff(session, incoming);
  if (!incoming.isTooBig) handOver(session, incoming.message.content, chunk, from);
  if ((core.dataFlags(incoming.slot) & DataFlag.LookAlike) !== 0) {
    refuseLookAlike(session);
  } else if (isEnd) {
    session.mode = COMMAND;
    session.run(endOfData);
  } else {
    if (incoming.wantsHeader && !incoming.isHeaderAnnounced && incoming.message.headerEnds()) {
      session.run(takeHeader);
    }
    const drained = incoming.message.content.drained();
    if (drained !== undefined && !session.isBusy) session.holdInput(drained);
  }
  return next;
}

/** What takes content. */
interface Receiver {
  /** The octets are given away, unless they are lent: those change when this has returned. */
  append(block: Buffer, isLent?: boolean): void;
}

/** Hands the content of this window over, without the dots of dot-stuffing. Nothing is copied but what was lent. */
export function handOver(
  { host, isInputLent }: Pick<Session, 'host' | 'isInputLent'>,
  content: Receiver,
  chunk: Buffer,
  from: number,
): void {
  const { core } = host;
  if (core.carriedCr) content.append(CR);
  const { contentEnd, dropCount, drops } = core;
  if (dropCount === 0) {
    if (contentEnd === 0) return;
    const isAll = from === 0 && contentEnd === chunk.length;
    content.append(isAll ? chunk : chunk.subarray(from, from + contentEnd), isInputLent);
    return;
  }
  if (dropCount * SHORT_PIECE > contentEnd) {
    content.append(withoutDots(chunk, from, contentEnd, drops, dropCount), true);
    return;
  }
  let start = 0;
  for (let index = 0; index < dropCount; index++) {
    const dot = drops[index]!;
    if (dot > start) content.append(chunk.subarray(from + start, from + dot), isInputLent);
    start = dot + 1;
  }
  if (contentEnd > start) content.append(chunk.subarray(from + start, from + contentEnd), isInputLent);
}

/** Serves every message: its content copies what comes from here. */
let dotless: Buffer | undefined;

/**
 * A block for every line would cost more than its octets where a dot stands in front of each. The result is valid until
 * the next call.
 */
function withoutDots(
  chunk: Buffer,
  from: number,
  contentEnd: number,
  drops: Int32Array,
  count: number,
): Buffer {
  const content = (dotless ??= Buffer.allocUnsafeSlow(WINDOW));
  const end = from + contentEnd;
  let written = 0;
  let at = from;
  for (let index = 0; index < count; index++) {
    const dot = from + drops[index]!;
    while (at < dot) content[written++] = chunk[at++]!;
    at = dot + 1;
  }
  while (at < end) content[written++] = chunk[at++]!;
  return content.subarray(0, written);
}

/**
 * The client, or the author of the text, takes `LF . LF` or the like for the end of data; what follows would be read as
 * commands by one of the hosts on the way (SMTP smuggling). Nothing can be resynchronised here, so the connection ends.
 */
function refuseLookAlike(session: Session): void {
  session.log(LogLevel.NOTICE, 'a dot between bare line feeds looks like an end of data: connection closed');
  session.send(replies.lookAlike);
  session.run([disconnect]);
}
