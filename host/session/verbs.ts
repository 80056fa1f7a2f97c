/** The session as a table: one row per verb. RFC 5321 section 4.1.1. */

import { Verb } from '../../bindings/core/contract.ts';
import { auth } from './auth.ts';
import { bdat } from './bdat.ts';
import { data } from './data.ts';
import { ehlo, helo } from './greeting.ts';
import { mail } from './mail.ts';
import { help, noop, quit, rset, unrecognized, vrfy } from './plain-verbs.ts';
import { rcpt } from './recipient.ts';
import type { Session } from './session.ts';
import { starttls } from './starttls.ts';
import type { Step } from './steps.ts';
import { xclient } from './xclient.ts';

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
};

const VERBS = 32;
const table: readonly (readonly Step[])[] = Array.from(
  { length: VERBS },
  (_, verb) => rows[verb as Verb] ?? unrecognized,
);

/** The steps of a verb. */
export const stepsOf = (_session: Session, verb: Verb): readonly Step[] => table[verb]!;
