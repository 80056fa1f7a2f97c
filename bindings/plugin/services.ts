/** Everything with a side effect reaches plugins through here: that is what makes tests and replays exact. */

import type { Connect } from './connect.ts';
import type { Http } from './http.ts';
import type { Logs } from './log-services.ts';
import type { Outlets } from './delivery.ts';
import type { Programs } from './programs.ts';
import type { Spools } from './spool-services.ts';
import type { Stores } from './store.ts';
import type { Workers } from './workers.ts';
import type { Files } from './files.ts';
import type { DnsService } from './resolver.ts';
import type { LocalTime } from './strftime.ts';

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

/** Facts about this host and this process. */
export interface System {
  readonly hostName: string;
  /** The number of this process, as log lines begin with it. */
  readonly processId: number;
  /** The number of the user this process runs as, for messages about what that user may not do. */
  readonly userId: number;
  /** Processes that ran or wanted to, on average over the last minute. */
  loadAverage(): number;
  /** The moment `epochMs` in the time zone of the system. */
  localTime(epochMs: number): LocalTime;
  /** A variable of the environment the daemon was started with; empty ones count as set. */
  environment(name: string): string | undefined;
  /**
   * A package that only some configurations need, as the package of this server finds it (`require`), so that it is loaded with the line
   * that asks for it and not with the first message. Only for use while a plugin is set up. Throws an Error with the command
   * that installs it if it is missing; the caller knows its type.
   */
  optionalPackage(name: string): unknown;
}

export interface SystemServices {
  readonly dns: DnsService;
  readonly files: Files;
  readonly system: System;
}
