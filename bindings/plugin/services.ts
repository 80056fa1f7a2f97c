/** Everything with a side effect reaches plugins through here: that is what makes tests and replays exact. */

import type { Connect } from './connect.ts';
import type { Http } from './http.ts';
import type { Logs } from './log-services.ts';
import type { Outlets } from './outlets.ts';
import type { Programs } from './programs.ts';
import type { Spools } from './spool-services.ts';
import type { Stores } from './store.ts';
import type { SystemServices } from './system-services.ts';
import type { Workers } from './workers.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
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
  readonly outlets: Outlets;
  readonly connect: Connect;
  readonly spools: Spools;
  readonly tls: TlsService;
  readonly store: Stores;
  readonly logs: Logs;
  readonly http: Http;
  readonly workers: Workers;
}
