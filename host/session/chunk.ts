/** The BDAT chunk at hand, and how chunks are refused. RFC 3030 section 2. */

import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { resetTransaction } from './closing.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { STOP, type Outcome, type Progress } from './steps.ts';

/** Chunks from this size on are no commands by which to wear out the daemon. */
const LARGE = 1_024;

export class Chunk {
  /** As announced. */
  octets = 0;
  /** Still to come. */
  left = 0;
  isLast = false;
  /** The chunk has had its reply; its octets are dropped. */
  isRefused = false;
  /** What answers every further chunk until RSET or MAIL, because one was refused. */
  refusal: ChunkRefusal | undefined = undefined;

  /** It carries mail worth its command; smaller ones are commands like others, but for the last, which ends a message. */
  get isLarge(): boolean {
    return this.octets >= LARGE;
  }

  begin(octets: number, isLast: boolean): void {
    this.octets = this.left = octets;
    this.isLast = isLast;
    this.isRefused = false;
  }
}

export interface ChunkRefusal {
  readonly reply: Template;
  /** The words of a plugin. */
  readonly verdict?: Verdict;
}

/** True between the first chunk of a message and its last. */
export const hasBegun = ({ incoming }: Session): boolean =>
  incoming?.chunks !== undefined && !incoming.isWhole;

/** The chunk was answered: its octets are read and dropped. */
export function skipChunk(session: Session): Outcome {
  const chunk = session.chunk!;
  chunk.isRefused = true;
  if (session.isOpen) session.mode = chunk.left > 0 ? 'bdat' : 'command';
  return STOP;
}

/** Skips this chunk and gives every further one the same answer: the client has to begin anew. */
export function skipFrom(session: Session, refusal: ChunkRefusal): Outcome {
  session.chunk!.refusal = refusal;
  return skipChunk(session);
}

/** Refuses the chunk and, by that, the message. The client learns it at once and may still send what it announced. */
export function refuseChunk(session: Session, reply: Template): Progress {
  session.send(reply);
  const reset = resetTransaction(session);
  return reset instanceof Promise
    ? reset.then(() => skipFrom(session, { reply }))
    : skipFrom(session, { reply });
}
