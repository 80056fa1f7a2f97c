/**
 * Reads command lines out of chunks, however they were cut, and runs the steps of their verbs, which a table names. RFC 5321
 * sections 4.1.1 and 4.5.3.1.4.
 */

import { CommandFlag, Verb } from '../../bindings/core/contract.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { replies } from '../replies/replies.ts';
import { auth } from './auth.ts';
import { bdat, spoiltBdat } from './bdat.ts';
import { hideCredentials, loggable } from './credential-line.ts';
import { data } from './data.ts';
import { offers } from './extensions.ts';
import { ehlo, helo, lhlo } from './greeting.ts';
import { closeWith, hasMoreCommands, refuseLine, refuseMoreCommands } from './limits.ts';
import { mail } from './mail.ts';
import { help, noop, quit, rset, unrecognized, vrfy } from './plain-verbs.ts';
import { rcpt } from './recipient.ts';
import type { Session } from './session.ts';
import { starttls } from './starttls.ts';
import { COMMAND, type Step } from './steps.ts';
import { xclient } from './xclient.ts';
import { xforward } from './xforward.ts';

/** Octets of a command line with its CRLF. RFC 5321 section 4.5.3.1.4. */
export const MAX_LINE = 512;
/** The same for verbs whose extensions lengthen it: MAIL, RCPT and AUTH. RFC 5321 section 4.5.3.1.9, RFC 4954 section 4. */
export const MAX_LONG_LINE = 2_048;

/**
 * Octets that are looked at in one go, unless no line ends within them. A client that sends a verb that changes the mode over
 * and over, or whose plugins take their time, would have all that waits after it looked at anew each time.
 */
const LOOK = 512;

const UNSAFE = CommandFlag.Nul | CommandFlag.BareCr | CommandFlag.Control;
const LF = 0x0a;

/** The steps of each verb. */
const rows: Partial<Record<Verb, readonly Step[]>> = {
  [Verb.Helo]: helo,
  [Verb.Ehlo]: ehlo,
  [Verb.Mail]: mail,
  [Verb.Rcpt]: rcpt,
  [Verb.Data]: data,
  [Verb.Bdat]: bdat,
  [Verb.Rset]: rset,
  [Verb.Noop]: noop,
  [Verb.Vrfy]: vrfy,
  [Verb.Help]: help,
  [Verb.Quit]: quit,
  [Verb.Auth]: auth,
  [Verb.Starttls]: starttls,
  [Verb.Xclient]: xclient,
  [Verb.Xforward]: xforward,
};

const VERBS = 32;
const tableOf = (steps: typeof rows): readonly (readonly Step[])[] =>
  Array.from({ length: VERBS }, (_, verb) => steps[verb as Verb] ?? unrecognized);

export const smtpVerbs = tableOf(rows);

/** RFC 2033 section 4.1: a client that took this for SMTP would take the first reply to a message for all of them. */
const refuseHello: readonly Step[] = [(session) => refuseLine(session, replies.lmtpNeedsLhlo)];

export const lmtpVerbs = tableOf({
  ...rows,
  [Verb.Helo]: refuseHello,
  [Verb.Ehlo]: refuseHello,
  [Verb.Lhlo]: lhlo,
});

const tooManyCommands: readonly Step[] = [refuseMoreCommands];
const lineTooLong: readonly Step[] = [(session) => refuseLine(session, replies.lineTooLong)];
const bdatTooLong: readonly Step[] = [(session) => closeWith(session, replies.lineTooLong)];
const unsafeOctets: readonly Step[] = [(session) => refuseLine(session, replies.unsafeOctets)];

/** Reads commands from `chunk` at `from` on and returns where it stopped: at the end, or where the mode changed. */
export function readCommands(session: Session, chunk: Buffer, from: number): number {
  if (session.isSkippingLine) return skipLine(session, chunk, from);
  if (session.partial !== undefined) return completeLine(session, session.partial, chunk, from);
  const { core, turns } = session.host;
  let count = 0;
  if (chunk.length - from > LOOK) count = core.commands(chunk.subarray(from, from + LOOK), 0);
  if (count === 0) count = core.commands(chunk, from);
  if (count === 0) return keepPartial(session, chunk, from);
  const next = from + core.consumed;
  for (let index = 0; index < count; index++) {
    session.command.load(core, index, chunk, from);
    if (!startCommand(session)) return session.command.next;
    if (index + 1 < count && turns.spend()) return session.command.next;
  }
  return next;
}

/** Runs one command; false if the octets after it have to wait or are no commands. */
function startCommand(session: Session): boolean {
  const { command, host } = session;
  session.forgetRefusal();
  hideCredentials(session);
  if (host.logger.writes(LogLevel.INFO)) session.log(LogLevel.INFO, `dispatching ${loggable(session)}`);
  session.counters.commands++;
  // Whether BDAT counts depends on its size, which is not known yet.
  const isChunk = command.verb === Verb.Bdat;
  if (hasMoreCommands(session) && !isChunk) session.run(tooManyCommands);
  else if (command.octets > limitOf(command.verb)) session.run(isChunk ? tooLongBdat(session) : lineTooLong);
  else if ((command.flags & UNSAFE) !== 0) session.run(isChunk ? spoiltBdat : unsafeOctets);
  else session.run(session.verbs[command.verb]!);
  return session.mode === COMMAND && !session.isBusy;
}

const limitOf = (verb: Verb): number =>
  verb === Verb.Mail || verb === Verb.Rcpt || verb === Verb.Auth ? MAX_LONG_LINE : MAX_LINE;

/** No line end yet: what came is kept, but never more than the longest line there may be. */
function keepPartial(session: Session, chunk: Buffer, from: number): number {
  const tail = from === 0 ? chunk : chunk.subarray(from);
  const partial = session.partial === undefined ? Buffer.from(tail) : Buffer.concat([session.partial, tail]);
  if (partial.length <= MAX_LONG_LINE) {
    session.partial = partial;
    return chunk.length;
  }
  // Of a line that announces octets just its verb is kept, to recognise it when its end comes.
  session.partial = announcesChunk(session, partial) ? Buffer.from(partial.subarray(0, 5)) : undefined;
  session.isSkippingLine = true;
  // The dropped line may be an AUTH, whose next line is a password.
  session.hasTriedAuth = true;
  // Input that waited may be larger than what the core looks at, and the line may end after that.
  return skipLine(session, chunk, from);
}

/** The line begun in an earlier chunk is put together and run by itself; the chunk after it is read as usual. */
function completeLine(session: Session, partial: Buffer, chunk: Buffer, from: number): number {
  const end = chunk.indexOf(LF, from);
  if (end < 0) return keepPartial(session, chunk, from);
  session.partial = undefined;
  const line = Buffer.concat([partial, chunk.subarray(from, Math.min(end + 1, from + MAX_LONG_LINE))]);
  if (partial.length + end + 1 - from > MAX_LONG_LINE) {
    session.hasTriedAuth = true;
    session.run(announcesChunk(session, line) ? bdatTooLong : lineTooLong);
    return end + 1;
  }
  session.host.core.commands(line, 0);
  session.command.load(session.host.core, 0, line, 0);
  startCommand(session);
  return end + 1;
}

/** Octets may follow such a line that are no commands, and the kept part of the line does not say how many. */
const announcesChunk = (session: Session, line: Buffer): boolean =>
  /^bdat[ \t]/i.test(line.latin1Slice(0, 5)) && offers(session, 'CHUNKING');

/** The same reaction whether the line came in one piece or in several. */
const tooLongBdat = (session: Session): readonly Step[] =>
  session.command.octets > MAX_LONG_LINE && offers(session, 'CHUNKING') ? bdatTooLong : spoiltBdat;

/** Drops the rest of an over-long line; the refusal goes out when it ends, so that replies keep their order. */
function skipLine(session: Session, chunk: Buffer, from: number): number {
  const end = chunk.indexOf(LF, from);
  if (end < 0) return chunk.length;
  session.isSkippingLine = false;
  session.run(session.partial === undefined ? lineTooLong : bdatTooLong);
  session.partial = undefined;
  return end + 1;
}
