/**
 * A mechanism as the session sees it: a state machine that takes octets and says what comes next. RFC 4422 section 3.
 */

import type { Salt } from '../../bindings/wire/scram-keys.ts';
import type { HostCredentials } from './credentials.ts';

/** Why the plugins cannot be asked. */
export type Failure =
  /** The response is no message of the mechanism. */
  | 'invalid'
  /** A name to act as, and nobody who acts. */
  | 'nobody acts'
  /** One user would act as another. */
  | 'acts for another'
  /** No answer to the challenge. */
  | 'malformed'
  /** An initial response where the server speaks first. */
  | 'initial response';

/** What the session has to do next. */
export type Turn =
  /** Send this, not yet encoded, and hand the client's response to `next`. */
  | { readonly kind: 'challenge'; readonly octets: Buffer }
  /** Find out the user's salt and hand it to `salted`; undefined if no plugin knows the user or has a salt for it. */
  | { readonly kind: 'salt'; readonly user: string; salted(this: void, salt: Salt | undefined): Turn }
  /** Ask the plugins. */
  | { readonly kind: 'credentials'; readonly credentials: HostCredentials }
  /** The exchange is over: the response cannot be judged. */
  | { readonly kind: 'failure'; readonly why: Failure; readonly about: string };

/** One exchange of one mechanism: no input, no output, no clock. Its input is not trusted. */
export interface SaslServer {
  /** `initial` is the initial response; undefined if AUTH came without one, empty for `=`. RFC 4954 section 4. */
  start(initial: Buffer | undefined): Turn;
  next(response: Buffer): Turn;
  /** A last challenge that goes out before the verdict is told; the client has to answer it. */
  conclude?(isAccepted: boolean): Buffer | undefined;
  /** False as long as a plugin's OK would vouch for something that was never compared. */
  readonly isProven?: boolean;
}

/** Values that a mechanism needs from its caller. */
export interface MechanismContext {
  /** Name of this host. */
  readonly me: string;
  /** Seconds since the epoch. */
  readonly seconds: number;
  /** Letters and digits that cannot be guessed and never come twice. */
  nonce(): string;
}

export const challenge = (octets: Buffer): Turn => ({ kind: 'challenge', octets });
export const found = (credentials: HostCredentials): Turn => ({ kind: 'credentials', credentials });
export const failure = (why: Failure, about = ''): Turn => ({ kind: 'failure', why, about });
