/** Opens the connection for a cut-through transaction: to the first host that takes it. RFC 5321 section 5.1. */

import type { HopHost, Introduced } from '../smtp/hop-options.ts';
import { Attempt } from '../smtp/attempt.ts';
import type { HopConnection } from '../smtp/hop-connection.ts';
import { HopFault, hopReplies } from '../smtp/hop-replies.ts';
import { openHop, type OpeningOptions } from '../smtp/hop-opening.ts';
import { HostHealth, orderOf, placeOf } from '../smtp/host-choice.ts';

export interface FinderOptions extends OpeningOptions {
  readonly hosts: readonly HopHost[];
  /** Until a host is found: the client waits for the reply to its RCPT meanwhile. */
  readonly withinMs: number;
  /** Connections at a time, over all hosts. */
  readonly connections: number;
  readonly random: () => number;
}

export class HopFinder {
  readonly options: FinderOptions;
  readonly #health = new HostHealth();
  #open = 0;

  constructor(options: FinderOptions) {
    this.options = options;
  }

  /** Rejects with the `HopFault` of the host tried last, or because `signal` says so. */
  async find(introduced: Introduced, signal: AbortSignal): Promise<HopConnection> {
    const { deadlines, withinMs, connections } = this.options;
    if (this.#open >= connections) throw new HopFault('connect', hopReplies.tooBusy);
    this.#open++;
    const attempt = new Attempt(deadlines, withinMs, signal);
    try {
      return this.#counted(await this.#openFirst(introduced, attempt));
    } catch (cause) {
      this.#open--;
      throw cause;
    } finally {
      attempt.finish();
    }
  }

  async #openFirst(introduced: Introduced, attempt: Attempt): Promise<HopConnection> {
    const { hosts, random, log } = this.options;
    let last = new HopFault('connect', hopReplies.noHosts);
    for (const host of orderOf(hosts, random, (host) => (this.#health.isAvoided(placeOf(host)) ? 1 : 0))) {
      try {
        return await openHop(host, introduced, attempt, this.options);
      } catch (cause) {
        if (!(cause instanceof HopFault)) throw cause;
        log.warn(`${introduced.id}: ${host.name}: ${cause.message}`);
        last = attempt.fault ?? cause;
        if (attempt.fault !== undefined) break;
        this.#health.failed(placeOf(host));
      }
    }
    throw last;
  }

  #counted(connection: HopConnection): HopConnection {
    this.#health.worked(placeOf(connection.host));
    connection.onGone = () => {
      this.#open--;
    };
    // It may have been lost since its last reply was read.
    if (!connection.isOpen) connection.onGone();
    return connection;
  }
}
