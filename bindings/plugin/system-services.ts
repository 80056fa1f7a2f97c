/** What plugins may ask of the system and of the network around it. Part of `Services`. */

import type { Files } from './files.ts';
import type { DnsService } from './resolver.ts';
import type { LocalTime } from './strftime.ts';

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
