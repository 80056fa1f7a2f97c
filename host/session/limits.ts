/**
 * The limits of one connection: what it has used up so far, and the replies to clients that go on. RFC 5321 section
 * 4.5.3. Each count is a number that goes up; settings are looked at when it does, not before.
 */

import { disconnect } from './closing.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { answer, NEXT, type Progress, type Step } from './steps.ts';

/** What a client has used of its limits. Made anew when XCLIENT makes another client of it. */
export class SessionCounters {
  /** Commands since the connection began or a message was accepted. */
  commands = 0;
  /** How many of them there may be; known beforehand, because every command is held against it. */
  maxCommands = 0;
  /** Lines that were no command. */
  unrecognized = 0;
  /** Recipients refused for good. */
  refusedRecipients = 0;
  /** MAIL commands that were accepted. */
  transactions = 0;
  /** Passwords and the like that were refused. */
  authFailures = 0;
}

/** 0 means no limit. */
const orUnlimited = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit);

/** Starts the session's time. Called once: a client cannot get more of it later. */
export function startClock(session: Session): void {
  const { deadlines, settings } = session.host;
  session.endsAt = deadlines.now + orUnlimited(settings.sessionTimeoutMs);
}

/** Commands are counted from here on: at the start, and after every message that was accepted. */
export function countCommandsAnew({ counters, host }: Session): void {
  counters.commands = 0;
  counters.maxCommands = orUnlimited(host.settings.maxCommands);
}

/** When a message that begins now has to be complete, on the clock of `Deadlines.now`. */
export function latestEndOfData({ host }: Session): number {
  return host.deadlines.now + orUnlimited(host.settings.dataTotalTimeoutMs);
}

/** When the client's time is up, however busy it is: with the message it sends, or with the session. */
export function latestAt({ mode, openIncoming, endsAt }: Session): number {
  return mode.kind === 'command' || openIncoming === undefined
    ? endsAt
    : Math.min(endsAt, openIncoming.endsAt);
}

/** When the client's next line has to come. RFC 5321 section 4.5.3.2. */
export function nextDeadline(session: Session): number {
  const { deadlines, settings } = session.host;
  const isContent = session.mode.kind === 'data' || session.mode.kind === 'bdat';
  const patienceMs = isContent ? settings.dataTimeoutMs : settings.commandTimeoutMs;
  return Math.min(deadlines.now + patienceMs, latestAt(session));
}

/**
 * Answers a line that is no command. Every one costs a reply, a log line and a question to the plugins: a client that
 * sends nothing else is no mail server.
 */
export function refuseLine(session: Session, reply: Template): Progress {
  if (hasMoreUnrecognized(session)) return closeWith(session, replies.tooManyUnrecognized);
  return answer(session, reply);
}

/** Counts a line that was no command; true if it was one too many. */
export function hasMoreUnrecognized({ counters, host }: Session): boolean {
  return ++counters.unrecognized > orUnlimited(host.settings.maxUnrecognized);
}

/** Counts a recipient that was refused for good; true if it was one too many (a dictionary is tried out). */
export function hasMoreRefused({ counters, host }: Session): boolean {
  return ++counters.refusedRecipients > orUnlimited(host.settings.maxRefusedRecipients);
}

/** The step of MAIL that asks whether there may be another transaction. */
export function limitTransactions(session: Session): Progress {
  const { counters, host } = session;
  if (counters.transactions < orUnlimited(host.settings.maxTransactions)) return NEXT;
  return closeWith(session, replies.tooManyTransactions);
}

/** True if there were more commands than there may be. */
export const hasMoreCommands = ({ counters }: Session): boolean => counters.commands > counters.maxCommands;

/** Commands without an end, and no message among them: the connection is over. */
export function refuseMoreCommands(session: Session): Progress {
  return closeWith(session, replies.tooManyCommands);
}

/** The step of MAIL and RCPT that asks whether there is memory for what it would add to the envelope. */
export const requireMemory: Step = (session) =>
  session.host.memory.defersMail ? answer(session, replies.systemFull) : NEXT;

/** Sends a reply and closes the connection. RFC 5321 section 3.8. */
export function closeWith(session: Session, reply: Template): Progress {
  session.send(reply, session.host.settings.me);
  return disconnect(session);
}

/** What to tell a client whose deadline has passed: it kept silent, or all its time is used up. */
export function replyToLate(session: Session): Template {
  session.hasTimedOut = true;
  return session.host.deadlines.now >= latestAt(session) ? replies.tookTooLong : replies.timedOut;
}

/** Why a complete message is refused by its measures; undefined if it is not. */
export function measureMessage({ host, incoming }: Session): Template | undefined {
  const { settings } = host;
  const { message, isBinary } = incoming;
  if (!isBinary && settings.maxLineOctets > 0 && message.longestLine > settings.maxLineOctets)
    return replies.textLineTooLong;
  const { octets, fieldCount } = message.header;
  // Fields beyond the limit could hold anything, forged Authentication-Results for one.
  if (!message.isHeaderWhole) return replies.headerTooBig;
  return octets > settings.headerOctets || fieldCount > settings.headerFields
    ? replies.headerTooBig
    : undefined;
}
