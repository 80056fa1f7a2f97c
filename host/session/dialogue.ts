/**
 * What a session says and when. The session moves octets, waits for steps, keeps turns and the time; the dialogue has the
 * banner, the commands and the limits of time. There is one for all sessions, `smtpDialogue`; an embedding program may bring
 * another, which has state of its own for each session.
 */

import { replies } from '../replies/replies.ts';
import { readCommands } from './command-reader.ts';
import { greet } from './greeting.ts';
import { nextDeadline, replyToLate } from './limits.ts';
import type { Session } from './session.ts';
import { greetInsideTls, startsWithTls } from './starttls.ts';
import type { Step } from './steps.ts';

export interface Dialogue {
  /** The steps from the first octet of SMTP to the banner. */
  begin(session: Session): readonly Step[];
  /** In the mode `command`: takes commands out of `chunk` from `from` on, and returns where it stopped. */
  readCommands(session: Session, chunk: Buffer, from: number): number;
  /** When the next octets of the client have to have come, on the clock of `Deadlines.now`. */
  nextDeadline(session: Session): number;
  /** Answers a client whose time is up; the connection is closed after that. */
  tellLate(session: Session): void;
  /** The daemon stops, and the client is between two messages: says so. False: the client may go on for now. */
  tellShutdown(session: Session): boolean;
}

export const smtpDialogue: Dialogue = {
  begin: (session) => (startsWithTls(session) ? greetInsideTls : greet),
  readCommands,
  nextDeadline,
  tellLate: (session) => session.send(replyToLate(session)),
  tellShutdown(session) {
    session.send(replies.shuttingDown, session.host.settings.me);
    return true;
  },
};
