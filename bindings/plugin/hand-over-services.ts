/** Hand-over to the mail system of this host: programs and daemons that queue or deliver a message. Part of `Services`. */

import type { Outlet } from './delivery.ts';
import type { Log } from './log-level.ts';
import type { LineEnds } from './message.ts';

/** What programs may take of this host. The limits hold for each process of the daemon. */
export interface ProgramLimits {
  /** From the end of data to the last program's exit, the wait for a place included. */
  readonly timeoutMs: number;
  /** Programs that run at once. */
  readonly processes: number;
  /** Messages that wait for one of them to end; more are deferred at once. */
  readonly waiting: number;
}

export interface ProgramOutletOptions extends ProgramLimits {
  /** Absolute path. */
  readonly program: string;
}

export interface PipeOptions extends ProgramLimits {
  /** Absolute path, and words with patterns: %s reverse-path, %r recipient, %u its local part, %d its domain, %% a percent sign. */
  readonly command: readonly string[];
  /** One run for each recipient, or as few as the length of a command allows. */
  readonly per: 'recipient' | 'message';
  readonly lineEnds: LineEnds;
  /** What %s stands for if the reverse-path is null: an empty word would make `-f` take the next one. */
  readonly nullSender: string;
}

/** `path`, or `host` and `port`. */
export type CleanupSocket = { readonly path: string } | { readonly host: string; readonly port: number };

export interface CleanupOptions {
  /** Tried in this order until one takes the message. */
  readonly sockets: readonly CleanupSocket[];
  /** CLEANUP_FLAG_… of Postfix, added up. */
  readonly flags: number;
  /** From the first connection attempt to cleanup's status. */
  readonly timeoutMs: number;
}

export interface QmqpOptions {
  /** Tried in this order until one has the whole message. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** For each host. */
  readonly connectTimeoutMs: number;
  /** From the first connection attempt to the answer. */
  readonly timeoutMs: number;
}

/** Makes outlets. `log` is told what a client is not: paths, exit codes, what programs print. */
export interface HandOver {
  /** A program with the interface of qmail-queue(8). */
  qmailQueue(options: ProgramOutletOptions, log: Log): Outlet;
  /** `PROGRAM -bS`: Exim's batched SMTP. */
  bsmtp(options: ProgramOutletOptions, log: Log): Outlet;
  /** Postfix's cleanup(8). */
  cleanup(options: CleanupOptions, log: Log): Outlet;
  /** Servers of the Quick Mail Queueing Protocol. */
  qmqp(options: QmqpOptions, log: Log): Outlet;
  /** Any program that reads a message and exits with a code of sysexits.h. */
  pipe(options: PipeOptions, log: Log): Outlet;
}
