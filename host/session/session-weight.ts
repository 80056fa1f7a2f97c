/** What one session makes the process keep, for the memory budget; its message tells the budget by itself. */

import { CONNECTION_OCTETS, TLS_OCTETS } from '../memory/octets-kept.ts';
import type { Session } from './session.ts';

/** Tells the budget what has changed. `out`: octets of replies that gather; undefined: the session is over. */
export function weigh(session: Session, out: number | undefined): void {
  const change = (out === undefined ? 0 : weightOf(session) + out) - session.weight;
  session.weight += change;
  if (change !== 0) session.host.memory.adjust(change);
}

/** Recomputed from what is there, so that no way out of a transaction can forget to give something back. */
function weightOf({ intake, facts, openTransaction, partial, exchange, inputOctets }: Session): number {
  let octets = CONNECTION_OCTETS + facts.noteOctets + inputOctets;
  if (facts.tls?.by === 'self') octets += TLS_OCTETS;
  if (openTransaction !== undefined) octets += openTransaction.octets;
  if (partial !== undefined) octets += partial.length;
  if (exchange !== undefined) octets += exchange.octets;
  // Replies that the client does not take; below the mark of the stream they are as good as sent.
  if (intake.stream.writableNeedDrain) octets += intake.stream.writableLength;
  return octets;
}
