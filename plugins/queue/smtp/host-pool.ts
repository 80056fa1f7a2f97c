/** The connections to one host: kept for the next message, limited in number, with a line of those that wait for one. */

import type { Attempt } from './attempt.ts';
import type { HopConnection } from './hop-connection.ts';
import { HopFault, hopReplies, isGood } from './hop-replies.ts';

export interface PoolLimits {
  readonly connections: number;
  readonly messages: number;
  readonly idleMs: number;
  readonly waiting: number;
}

export interface Lease {
  readonly connection: HopConnection;
  /** It has served before: it may be dead without our knowing. */
  readonly isKept: boolean;
}

interface Waiter {
  readonly key: string | undefined;
  /** A connection, or the place to open one. */
  grant(connection: HopConnection | undefined): void;
}

export class HostPool {
  readonly #limits: PoolLimits;
  readonly #idle: { readonly connection: HopConnection; readonly key: string }[] = [];
  readonly #waiting = new Set<Waiter>();
  readonly #onEmpty: () => void;
  /** Connections and places to open one. */
  #open = 0;
  #isClosed = false;

  /** `onEmpty` is called when the last connection is gone and nobody waits. */
  constructor(limits: PoolLimits, onEmpty: () => void = () => undefined) {
    this.#limits = limits;
    this.#onEmpty = onEmpty;
  }

  get connections(): number {
    return this.#open;
  }

  /** A message would not have to wait. */
  get hasRoom(): boolean {
    return this.#idle.length > 0 || this.#open < this.#limits.connections;
  }

  /** As `take`, where a kept connection lies ready and nobody else waits for one. */
  takeKept(key: string | undefined, attempt: Attempt): Lease | undefined {
    if (this.#waiting.size > 0 || attempt.fault !== undefined) return undefined;
    const index = this.#idle.findLastIndex((kept) => kept.key === key);
    if (index < 0) return undefined;
    const { connection } = this.#idle[index]!;
    this.#idle.splice(index, 1);
    connection.resume();
    attempt.follow(connection);
    return { connection, isKept: true };
  }

  /**
   * A connection for a mail object whose introduction has the key `key` (undefined: one of its own), kept or opened by `open`.
   * Rejects with a `HopFault`.
   */
  async take(key: string | undefined, attempt: Attempt, open: () => Promise<HopConnection>): Promise<Lease> {
    const kept = await this.#grant(key, attempt);
    if (kept !== undefined) {
      kept.resume();
      attempt.follow(kept);
      return { connection: kept, isKept: true };
    }
    let connection: HopConnection;
    try {
      connection = await open();
    } catch (cause) {
      this.#leave();
      throw cause;
    }
    if (!connection.isOpen) {
      this.#leave();
      throw connection.fail(new HopFault('hello', hopReplies.lost('hello')));
    }
    connection.onGone = () => this.#forget(connection);
    return { connection, isKept: false };
  }

  /** The message is settled. `needsReset`: the hop still holds its envelope. */
  giveBack(connection: HopConnection, key: string | undefined, needsReset: boolean, resetMs: number): void {
    if (!connection.isOpen) return;
    if (needsReset && !connection.isClosing) {
      connection.say('RSET', 'mail', resetMs).then(
        // A hop that still holds the envelope refuses the next message, or takes it for those of the last one.
        (reply) => (isGood(reply) ? this.#keep(connection, key) : connection.quit()),
        () => undefined,
      );
    } else {
      this.#keep(connection, key);
    }
  }

  /** Kept connections are given up: one of them turned out to be dead, and they grew old together. */
  dropIdle(): void {
    for (const { connection } of [...this.#idle]) connection.quit();
  }

  close(): void {
    this.#isClosed = true;
    this.dropIdle();
  }

  #keep(connection: HopConnection, key: string | undefined): void {
    const { messages, idleMs } = this.#limits;
    const isWanted = idleMs > 0 && !this.#isClosed && connection.deliveries < messages;
    if (key === undefined || !isWanted || !connection.isReady) {
      connection.quit();
      return;
    }
    this.#idle.push({ connection, key });
    connection.rest(idleMs);
    this.#serve();
  }

  #grant(key: string | undefined, attempt: Attempt): Promise<HopConnection | undefined> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        key,
        grant: (connection) => {
          attempt.waited();
          resolve(connection);
        },
      };
      this.#waiting.add(waiter);
      this.#serve();
      if (!this.#waiting.has(waiter)) return;
      if (this.#waiting.size > this.#limits.waiting) {
        this.#waiting.delete(waiter);
        reject(new HopFault('connect', hopReplies.tooBusy));
        return;
      }
      attempt.wait((fault) => {
        this.#waiting.delete(waiter);
        reject(fault);
      });
    });
  }

  /** Lets in as many as there are connections and places for, in the order they came. */
  #serve(): void {
    for (const waiter of this.#waiting) {
      const index = this.#idle.findLastIndex(({ key }) => key === waiter.key);
      if (index >= 0) {
        const [kept] = this.#idle.splice(index, 1);
        this.#waiting.delete(waiter);
        waiter.grant(kept!.connection);
        continue;
      }
      if (this.#open >= this.#limits.connections) {
        // One that belongs to another client makes room.
        const other = this.#idle[0];
        if (other === undefined) return;
        other.connection.quit();
        return;
      }
      this.#open++;
      this.#waiting.delete(waiter);
      waiter.grant(undefined);
    }
  }

  #forget(connection: HopConnection): void {
    const index = this.#idle.findIndex((kept) => kept.connection === connection);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#leave();
  }

  #leave(): void {
    this.#open--;
    this.#serve();
    if (this.#open === 0 && this.#waiting.size === 0) this.#onEmpty();
  }
}
