/** Everything with a side effect reaches plugins through here: that is what makes tests and replays exact. */

import type { Address } from '../wire/address.ts';
import type { MailObject } from './delivery.ts';
import type { Connect } from './connect.ts';
import type { Hops } from './hop-services.ts';
import type { Http } from './http.ts';
import type { Logs } from './log-services.ts';
import type { MailExchange } from './mx-services.ts';
import type { Outlets } from './outlets.ts';
import type { Programs } from './programs.ts';
import type { Spools } from './spool-services.ts';
import type { Stores } from './store.ts';
import type { SystemServices } from './system-services.ts';
import type { WebOutlets } from './web-outlet-services.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** How a Maildir delivery is laid out. */
export interface MaildirDelivery {
  /** The Maildir itself, or the folder under which `subdirectory` names one per recipient. */
  readonly directory: string;
  /** Pattern with %l (local part), %d (domain), %u (mailbox); undefined: one Maildir for all recipients. */
  readonly subdirectory: string | undefined;
  /** Mode of new directories; files get the same bits without execution. */
  readonly mode: number;
  /** The local part is in lower case; the domain always is. */
  readonly isLowerCase?: boolean;
  /** The local part ends before the first of these for %l and %u: `user+lists` has the Maildir of `user`. RFC 5233. */
  readonly separator?: string | undefined;
  /** New folders are named as qpsmtpd does, with `_` for odd characters, where the name is not another address's already. */
  readonly isNamedAsBefore?: boolean;
}

/** What a Maildir needs of a mail object. */
export type MaildirLetter = Pick<MailObject, 'reversePath' | 'recipients' | 'mailOptions' | 'message'>;

export interface Maildirs {
  /** Makes the Maildir's three directories if they are missing; throws with the path if that can't be done. */
  prepare(directory: string, mode: number): void;
  /**
   * Makes a layout with a pattern known to `qpsmtpd check`, which looks for folders that two addresses could mean. Returns
   * what an operator should know of the pattern; undefined if it keeps all mailboxes apart.
   */
  layOut(delivery: MaildirDelivery): string | undefined;
  /**
   * Why an address can have no Maildir under the pattern; undefined if it can, or if there is no pattern. Addresses are
   * written by clients: `<../../etc@x>` must not lead out of the directory.
   */
  problemWith(address: Address, delivery: MaildirDelivery): string | undefined;
  /**
   * Resolves once the message is durable in `new/`, once in each Maildir, however many of the recipients have it; rejects
   * with nothing left in `tmp/` otherwise.
   */
  deliver(letter: MaildirLetter, delivery: MaildirDelivery): Promise<void>;
}

/** The files of the server's certificate, all in PEM. Relative paths start at the working directory. */
export interface TlsFiles {
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Certificates between the server's own and its root. */
  readonly authorities?: string | undefined;
  readonly dhparam?: string | undefined;
}

export interface TlsService {
  /**
   * Offers STARTTLS with this certificate, and TLS at once where a listener begins with it. Only for use while a plugin
   * is set up. What is left out has qpsmtpd's default; throws with file and remedy if a file is missing or does not fit.
   */
  offer(files: TlsFiles): void;
}

export interface Services extends SystemServices {
  readonly clock: Clock;
  /** A number in [0, 1). */
  random(): number;
  readonly programs: Programs;
  readonly maildirs: Maildirs;
  readonly outlets: Outlets;
  readonly connect: Connect;
  readonly spools: Spools;
  readonly tls: TlsService;
  readonly store: Stores;
  readonly logs: Logs;
  readonly http: Http;
  readonly hops: Hops;
  readonly mailExchange: MailExchange;
  readonly webOutlets: WebOutlets;
}
