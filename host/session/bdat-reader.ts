/** Reads the octets of a BDAT chunk and, behind the last chunk, sees the message off. RFC 3030 section 2. */

import { refuseChunk } from './chunk.ts';
import { announceHeader, endOfData, takeHeader } from './end-of-data.ts';
import { breakOff, isUnsafe, offerHeader } from './content-flow.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { NEXT, type Outcome, type Progress, type Step } from './steps.ts';

/** Reads from `chunk` at `from` on, at most to the end of the BDAT chunk, and returns where it stopped. */
export function readChunk(session: Session, chunk: Buffer, from: number): number {
  const state = session.chunk!;
  const to = Math.min(chunk.length, from + state.left);
  state.left -= to - from;
  const { incoming } = session;
  if (!state.isRefused && incoming?.chunks !== undefined) {
    const piece = from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to);
    incoming.chunks.scan(piece);
    if (
      incoming.flow === 'flowing' &&
      !incoming.isBinary &&
      isUnsafe(session.host.core.dataFlags(incoming.slot))
    ) {
      breakOff(session);
    }
    incoming.message.content.append(piece, session.isInputLent);
    if (state.left > 0) whileItArrives(session);
  }
  if (state.left === 0) endChunk(session);
  return to;
}

function whileItArrives(session: Session): void {
  const { message, wantsHeader, isHeaderAnnounced } = session.incoming!;
  if (wantsHeader && !isHeaderAnnounced && message.headerEnds()) session.run(takeHeader);
  const drained = message.content.drained();
  if (drained !== undefined && !session.isBusy) session.holdInput(drained);
}

/** All octets of the chunk have come. A chunk that was refused has had its reply. */
export function endChunk(session: Session): void {
  const { chunk, incoming } = session;
  if (!session.isOpen) return;
  session.mode = 'command';
  if (chunk!.isRefused || incoming === undefined) return;
  session.run(chunk!.isLast ? endOfData : endOfChunk);
}

const announceWholeHeader: Step = (session) => {
  const { wantsHeader, message } = session.incoming!;
  return wantsHeader && message.headerEnds() ? announceHeader(session) : NEXT;
};

/** A client that sends chunk upon chunk without waiting must not outrun the spool. */
function waitForSpool(session: Session): Progress {
  const drained = session.incoming!.message.content.drained();
  return drained === undefined ? NEXT : drained.then((): Outcome => NEXT);
}

function acknowledge(session: Session): Progress {
  if (session.incoming!.message.content.failure !== undefined)
    return refuseChunk(session, replies.systemFull);
  const { octets, isLarge } = session.chunk!;
  if (isLarge) session.tally.commands--;
  session.send(replies.chunkReceived, String(octets));
  return NEXT;
}

const endOfChunk: readonly Step[] = [announceWholeHeader, offerHeader, waitForSpool, acknowledge];
