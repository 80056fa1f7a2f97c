/** STARTTLS. RFC 3207. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { HandshakeError, startTls } from '../tls/tls-layer.ts';
import { resetTransaction } from './closing.ts';
import { knowsExtensions, offers } from './extensions.ts';
import { greet } from './greeting.ts';
import {
  answer,
  COMMAND,
  NEXT,
  STOP,
  TLS_HANDSHAKE,
  type Outcome,
  type Progress,
  type Step,
} from './steps.ts';
import { describeTls } from './trace.ts';
import { unrecognized } from './plain-verbs.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { dropOctets, listenTo, stopListening } from '../intake/stream-events.ts';

/** The port of submission over TLS. RFC 8314 section 7.3. */
const SUBMISSIONS = 465;

/**
 * The extension is used only once EHLO has offered it; a second time, or where it is not offered, the verb is unknown, as
 * it is in qpsmtpd without its plugin.
 */
function requireOffer(session: Session): Progress {
  if (knowsExtensions(session.facts) && offers(session, 'STARTTLS')) return NEXT;
  session.run(unrecognized);
  return STOP;
}

function refuseArgument(session: Session): Progress {
  return session.command.hasArgument ? answer(session, replies.noParameters) : NEXT;
}

/** Leaves the stream to the handshake. Returns how many octets of input were thrown away. */
export function dropInput({ unread, intake: { stream } }: Session): number {
  const unreadOctets = unread.take()?.length ?? 0;
  stopListening(stream);
  return unreadOctets + dropOctets(stream);
}

/**
 * Octets after STARTTLS came in the clear: an attacker on the way may have put them there to have them run as the
 * client's own inside TLS (CVE-2011-0411). They are thrown away before the client can have read the reply.
 */
async function upgrade(session: Session): Promise<Outcome> {
  session.mode = TLS_HANDSHAKE;
  // The chunk in which STARTTLS came has to be put aside first.
  await Promise.resolve();
  const injected = dropInput(session);
  if (injected > 0) {
    session.log(
      LogLevel.WARN,
      `${injected} octets behind STARTTLS thrown away: a client must wait for the reply`,
    );
  }
  session.send(replies.startTls);
  session.flush();
  return secure(session);
}

/** The handshake, at the beginning of a connection or after STARTTLS; without success the connection ends. */
async function secure(session: Session): Promise<Outcome> {
  const { host, facts } = session;
  const error = await exchangeKeys(session);
  if (error !== undefined) {
    const isOurs = !(error instanceof HandshakeError);
    session.log(isOurs ? LogLevel.CRIT : LogLevel.NOTICE, `TLS handshake failed: ${error.message}`);
    return STOP;
  }
  if (facts.tls?.by === 'self' && host.logger.writes(LogLevel.INFO))
    session.log(LogLevel.INFO, describeTls(facts.tls));
  facts.forgetClient();
  return NEXT;
}

/**
 * The handshake itself, on a stream that nobody listens to. Returns why there is no TLS: the stream is destroyed then, for
 * nothing more may be said in the clear, and the session learns that it is over.
 */
export async function exchangeKeys(session: Session): Promise<Error | undefined> {
  const { host, intake } = session;
  try {
    if (host.tls === undefined) throw new Error('there is no certificate any more');
    await startTls(intake, host.tls);
  } catch (error) {
    intake.stream.destroy();
    listenTo(intake.stream, session);
    return error as Error;
  }
  listenTo(intake.stream, session);
  return undefined;
}

function goOn(session: Session): Progress {
  session.mode = COMMAND;
  return STOP;
}

/** True if the first octets of this client are those of a handshake. RFC 8314 section 7.3: port 465 is for TLS at once. */
export function startsWithTls({ intake: { tls, hops, listener, local }, host }: Session): boolean {
  if (hops.includes('tls') || host.tls === undefined) return false;
  // A proxy that has ended the TLS of its client may begin another one with us: the line of the listener tells.
  return listener?.startsWithTls ?? (tls === undefined && local.port === SUBMISSIONS);
}

/** The first octets of the handshake may be there: they can come in one segment with a PROXY header. */
function secureAtOnce(session: Session): Promise<Outcome> {
  stopListening(session.intake.stream);
  return secure(session);
}

export const greetInsideTls: readonly Step[] = [secureAtOnce, ...greet];

export const starttls: readonly Step[] = [requireOffer, refuseArgument, resetTransaction, upgrade, goOn];
