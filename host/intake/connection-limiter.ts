/**
 * Lets in at most so many clients at a time. A client that comes when all places are taken waits without a banner, as in the
 * kernel's backlog; one that finds the waiting line full is told to come back.
 */

import type { IncomingConnection } from './incoming-connection.ts';

export interface ConnectionLimiterOptions {
  /** Clients inside at a time; `Infinity` for no limit. */
  readonly places: number;
  /** Clients waiting outside. */
  readonly waitingPlaces: number;
  enter(intake: IncomingConnection): void;
  /** All places are taken, or one is free and no client waits for it. */
  setFull?(isFull: boolean): void;
  /** The line is full. */
  turnAway(intake: IncomingConnection): void;
}

export class ConnectionLimiter {
  readonly #options: ConnectionLimiterOptions;
  readonly #waiting = new Set<IncomingConnection>();
  #inside = 0;

  constructor(options: ConnectionLimiterOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  admit(intake: IncomingConnection): void {
    if (this.#inside < this.#options.places) this.#enter(intake);
    else if (this.#waiting.size < this.#options.waitingPlaces) this.#queue(intake);
    else this.#options.turnAway(intake);
  }

  /** A client left: the first in the line takes its place. */
  leave(): void {
    this.#inside--;
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#options.setFull?.(false);
      return;
    }
    this.#waiting.delete(next);
    this.#enter(next);
  }

  /** Turns away every client in the line. */
  dismiss(): void {
    for (const intake of this.#waiting) this.#options.turnAway(intake);
    this.#waiting.clear();
  }

  #enter(intake: IncomingConnection): void {
    this.#inside++;
    if (this.#inside >= this.#options.places) this.#options.setFull?.(true);
    this.#options.enter(intake);
  }

  #queue(intake: IncomingConnection): void {
    this.#waiting.add(intake);
    intake.stream.once('close', () => this.#waiting.delete(intake));
  }
}

/** How many connections each service has, of the places that all share; over all readings of the configuration. */
export class ServicePlaces {
  readonly #taken = new Map<string, number>();

  /** False if the service has as many as `limit` already. What is taken is given back once by `leave`. */
  take(service: string, limit: number): boolean {
    const taken = this.#taken.get(service) ?? 0;
    if (taken >= limit) return false;
    this.#taken.set(service, taken + 1);
    return true;
  }

  leave(service: string): void {
    this.#taken.set(service, (this.#taken.get(service) ?? 1) - 1);
  }
}

/** How long the client has to read the line and close. */
const LINGER_MS = 2_000;
/** Clients that may have that time at once. A flood of them must not take the descriptors of clients that are served. */
const MAX_LINGERING = 8;

let lingering = 0;

/**
 * Sends a client off with one line, before any session: too many connections, or the daemon is about to stop. `text` is a whole
 * reply with its CRLF. What the client sends is dropped: unread input would turn the close into a reset.
 * A client that waits for a TLS handshake could not read it.
 */
export function turnAway({ stream, listener, hops }: IncomingConnection, text: string): void {
  if (listener?.startsWithTls === true && !hops.includes('tls')) {
    stream.destroy();
    return;
  }
  if (lingering >= MAX_LINGERING) {
    stream.end(text, 'latin1');
    stream.destroy();
    return;
  }
  lingering++;
  const cutOff = setTimeout(() => stream.destroy(), LINGER_MS);
  cutOff.unref();
  stream.once('close', () => {
    lingering--;
    clearTimeout(cutOff);
  });
  stream.on('end', () => stream.destroy());
  stream.resume();
  stream.end(text, 'latin1');
}
