/**
 * Transactions that go on to a next hop while they happen. What the client is told is what the hop said, and the hop is told
 * of the end of the content only after our plugins had their say. RFC 5321 section 3.7.
 */

import { DataFlag } from '../../bindings/core/contract.ts';
import { Address } from '../../bindings/wire/address.ts';
import type { Conduit, ConduitEnvelope } from '../../bindings/plugin/cut-through.ts';
import { clientOf } from '../../bindings/plugin/delivery.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Recipient } from '../../bindings/plugin/connection.ts';
import { withoutRepeats } from '../../bindings/plugin/repeated-recipients.ts';
import { denySoft, withReplyCode } from '../../bindings/plugin/verdict.ts';
import type { Session } from './session.ts';
import { NEXT, settled, type Outcome, type Progress, type Settle, type Step } from './steps.ts';
import { addTrace } from './trace.ts';

/** Line ends that some hosts take for the end of data or of a line and others do not. */
const AMBIGUOUS = DataFlag.BareCr | DataFlag.BareLf | DataFlag.LookAlike;
/** Hooks behind the body whose plugins may want to read it. */
const READING_HOOKS = ['data_post_headers', 'data_post', 'queue_pre'] as const;

/** Our plugins have accepted the recipient; the hop has the last word. */
export const offerRecipient = (session: Session, recipient: Recipient, settle: Settle): Progress =>
  settled(session, conduitOf(session).offer(envelopeOf(session), recipient), settle);

/** A step that makes the hop ready for the content, before the client is told to send it. */
export const openConduit =
  (settle: Settle): Step =>
  (session) =>
    session.host.cutThrough === undefined
      ? NEXT
      : settled(session, conduitOf(session).open(wholeEnvelopeOf(session)), settle);

/**
 * The header is whole: it gets its trace and goes out, and behind it what has come of the body. Whoever changes the header
 * later comes too late.
 */
export function sendHeader(session: Session): Progress {
  const { incoming, conduit, host } = session;
  if (conduit === undefined || !incoming!.isHeaderAnnounced) return NEXT;
  if (incoming!.isFlowing || incoming!.isBrokenOff) return NEXT;
  const flags = incoming!.isWhole ? incoming!.flags : host.core.dataFlags(incoming!.slot);
  // It will be refused at its end, so the hop need not see any of it.
  if (incoming!.isTooBig || (!incoming!.isBinary && (flags & AMBIGUOUS) !== 0)) return NEXT;
  const traced = addTrace(session);
  return traced instanceof Promise ? traced.then(() => divert(session, conduit)) : divert(session, conduit);
}

function divert(session: Session, conduit: Conduit): Progress {
  const { hooks } = session.host;
  const { message } = session.incoming!;
  session.incoming!.isFlowing = true;
  session.incoming!.fieldsSent = message.header.names().length;
  const poured = message.divert(
    conduit,
    READING_HOOKS.some((hook) => hooks.has(hook)),
  );
  if (poured === undefined) return NEXT;
  // A step that fails inside the content would have the rest of it read as commands.
  return poured.then(
    (): Outcome => NEXT,
    (cause: unknown): Outcome => {
      session.log(LogLevel.ERROR, `message not passed on: ${String(cause)}`);
      breakOff(session);
      return NEXT;
    },
  );
}

/**
 * True if the octets that have just come must not reach the hop. A bare line end next to a dot might be an end of data to
 * it, and what follows a second message (SMTP smuggling).
 */
export const isUnsafe = (flags: number): boolean => (flags & AMBIGUOUS) !== 0;

/** What was sent is never ended: the hop loses it with its connection, and the rest stays here. */
export function breakOff(session: Session): void {
  session.incoming!.isFlowing = false;
  session.incoming!.isBrokenOff = true;
  session.conduit?.reset();
  session.incoming!.message.discard();
}

/** Tells the hop that the message is at its end, and takes its answer for that of the queue hook. */
export function finishPassing(session: Session, settle: Settle): Progress {
  const { incoming, conduit } = session;
  if (conduit === undefined || !incoming!.isFlowing) {
    return settle(session, withReplyCode(denySoft('message was not passed on, try again later', '3.0'), 451));
  }
  const { message, fieldsSent } = incoming!;
  if (message.header.names().length !== fieldsSent) {
    session.log(
      LogLevel.NOTICE,
      'header fields added or removed behind data_headers_end do not reach the next hop',
    );
  }
  return settled(session, conduit.finish(wholeEnvelopeOf(session), message.hasEightBit), settle);
}

/** With every recipient, each once. */
function wholeEnvelopeOf(session: Session): ConduitEnvelope {
  const envelope = envelopeOf(session);
  return { ...envelope, recipients: withoutRepeats(envelope.recipients) };
}

const conduitOf = (session: Session): Conduit => (session.conduit ??= session.host.cutThrough!.begin());

function envelopeOf({ transaction, facts, transactionId }: Session): ConduitEnvelope {
  const { reversePath, mailOptions, recipients } = transaction;
  return {
    reversePath: reversePath ?? Address.null,
    mailOptions,
    recipients,
    client: clientOf(facts),
    id: transactionId ?? facts.id,
  };
}
