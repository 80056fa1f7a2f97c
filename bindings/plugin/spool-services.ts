/** The spool: messages are stored durably, acknowledged, and handed on by another outlet, again and again if need be. */

import type { Address } from '../wire/address.ts';
import type { Outlet } from './delivery.ts';
import type { Log } from './log-level.ts';

/** How one spool works. Times in milliseconds. */
export interface SpoolOptions {
  /** Messages go on through it. It is asked with `isTrackedByRecipient`. */
  readonly outlet: Outlet;
  /** Recipients with the same answer are handed over together, and wait together while it can't be reached. */
  readonly destinationOf: (address: Address) => string;
  /** The way of reports to senders. Undefined: that of the messages. */
  readonly reports?:
    { readonly outlet: Outlet; readonly destinationOf: (address: Address) => string } | undefined;
  /** The pause before the second attempt; every further one is twice as long, up to the longest. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** After so long a message is returned. */
  readonly lifeMs: number;
  /** After so long the sender is told, once, that it is late; 0: never. */
  readonly delayNoticeMs: number;
  /** How long a report that cannot leave is kept for the operator to see; 0: not at all. */
  readonly keepReportsMs: number;
  /** Attempts at a time at one destination, and in all; both count for all processes together. */
  readonly perDestination: number;
  readonly inAll: number;
  /** What the spool may hold, and what the file system must keep free, in messages and octets. */
  readonly maxMessages: number;
  readonly maxOctets: number;
  readonly minFreeOctets: number;
  /** Name of this host in reports. */
  readonly host: string;
  readonly log: Log;
  /** All that an operator has written of these options: lines that name the same spool have to say the same. */
  readonly line?: string | undefined;
}

export interface Spools {
  /**
   * The spool in `directory`, which is made if it is missing. As an outlet it reports every recipient as delivered once
   * the message is durable, and defers with 452 4.3.1 while it is full. Under a running server it hands messages on by
   * itself. Only for use while a plugin is set up; throws with path and remedy if the directory can't be used.
   */
  open(directory: string, options: SpoolOptions): Outlet;
}
