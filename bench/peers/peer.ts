/** A server that takes part, and what it takes to make it. */

import type { Launch } from '../server/running-server.ts';
import type { Workload } from '../server/workloads.ts';

/** What a peer finds when it is prepared and started. */
export interface Place {
  /** For what is installed; kept for the next run. */
  readonly installs: string;
  /** Its own folder for configuration, queue and log, empty at first. */
  readonly folder: string;
  /** The Node that runs servers written for Node. */
  readonly node: string;
  /** The folder with this project's compiled program. */
  readonly program: string;
  readonly key: string;
  readonly cert: string;
  /** Where the server behind it listens, if the peer has one. */
  readonly hopPort?: number | undefined;
}

export type Need = Workload['needs'];

export interface Peer {
  readonly name: string;
  readonly label: string;
  readonly kind: 'ours' | 'floor' | 'peer';
  readonly offers: readonly Need[];
  /** How it is configured and why that is fair, a sentence each. */
  readonly settings: readonly string[];
  /** Sessions it needs to be kept busy where each message has a connection of its own. */
  readonly saturatedBy?: number;
  /** Sessions it stands at a time. */
  readonly maxSessions?: number;
  /** Idle sessions beyond which it is not asked: one process each. */
  readonly maxIdle?: number;
  /** Not measured under load by itself, only where it is named. */
  readonly isOnlyFor?: readonly string[];
  /** Installs what is missing; returns the version. Throws a `MissingError` if it cannot be had. */
  prepare(place: Place): Promise<string>;
  /** What it hands messages on to: started before it, on the generators' core, and not measured. */
  readonly hop?: Hop;
  /** Writes the configuration and says how to start it. */
  launch(place: Place, need: Need, port: number): Launch;
}

/** A server behind a peer. */
export interface Hop {
  launch(place: Place, port: number): Launch;
  /** What it has counted, a sentence, once it has ended; `log` is the text of its log. */
  account(log: string): string;
}

/** A peer cannot be had here; the message says why and what helps. */
export class MissingError extends Error {}
