/** In which order the hosts of an outlet are tried, and what is known of each. RFC 5321 section 5.1. */

import type { HopHost } from './hop-options.ts';

/** One text for one place to connect to under the same terms. */
export function placeOf({ name, address = name, port, path, tls }: HopHost): string {
  const place = path === undefined ? `${address}:${port ?? ''}` : `unix:${path}`;
  if (tls === undefined) return `${name}|${place}`;
  const { level, isImplicit = false, names = [], judge } = tls;
  return [name, place, level, isImplicit, names.join(), judge !== undefined].join('|');
}

/**
 * By preference; among equals at random, the more often first the greater their weight. Hosts that `rank` puts higher come
 * after all others, but stay in the list. `random` gives numbers in [0, 1).
 */
export function orderOf(
  hosts: readonly HopHost[],
  random: () => number,
  rank: (host: HopHost) => number,
): readonly HopHost[] {
  if (hosts.length < 2) return hosts;
  return hosts
    .map((host) => ({
      host,
      rank: rank(host),
      // Exponential spacing: the smallest of such draws falls to a host in proportion to its weight.
      draw: -Math.log(1 - random()) / Math.max(host.weight ?? 1, Number.MIN_VALUE),
    }))
    .sort((a, b) => a.rank - b.rank || (a.host.preference ?? 0) - (b.host.preference ?? 0) || a.draw - b.draw)
    .map(({ host }) => host);
}

const FIRST_AVOID_MS = 1_000;
const MAX_AVOID_MS = 300_000;
/** A host that dropped a message is trusted with none unasked for so long. */
const DISTRUST_MS = 3_600_000;
/** Hosts that are remembered; routes may bring ever new ones. */
const MAX_HOSTS = 1_000;

interface Trouble {
  readonly failures: number;
  readonly until: number;
}

export class HostHealth {
  readonly #troubles = new Map<string, Trouble>();
  /** Until when a host is asked first over a kept connection; 0: it has taken a message there. */
  readonly #asked = new Map<string, number>();
  /** Until when a host is asked one thing at a time. */
  readonly #outOfStep = new Map<string, number>();
  readonly #now: () => number;

  /** `now` in milliseconds on a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  failed(host: string): void {
    const failures = (this.#troubles.get(host)?.failures ?? 0) + 1;
    this.#troubles.delete(host);
    makeRoom(this.#troubles);
    const avoidMs = Math.min(MAX_AVOID_MS, FIRST_AVOID_MS * 2 ** Math.min(failures - 1, 20));
    this.#troubles.set(host, { failures, until: this.#now() + avoidMs });
  }

  worked(host: string): void {
    if (this.#troubles.size > 0) this.#troubles.delete(host);
  }

  /** It took a message over a connection that had served before. */
  keptConnection(host: string): void {
    if (!this.#asked.has(host)) this.#ask(host, 0);
  }

  /** It gave up such a connection without a reply while a message was on its way. */
  droppedConnection(host: string): void {
    this.#asked.delete(host);
    this.#ask(host, this.#now() + DISTRUST_MS);
  }

  /** A message may go over a kept connection before the host has shown that it is still there. */
  keepsConnections(host: string): boolean {
    const until = this.#asked.get(host);
    return until === 0 || (until !== undefined && until <= this.#now());
  }

  #ask(host: string, until: number): void {
    makeRoom(this.#asked);
    this.#asked.set(host, until);
  }

  /** Commands that went there in one go did not get their replies one for one. */
  fellOutOfStep(host: string): void {
    this.#outOfStep.delete(host);
    makeRoom(this.#outOfStep);
    this.#outOfStep.set(host, this.#now() + DISTRUST_MS);
  }

  /** Several commands may go there at once. RFC 2920. */
  keepsStep(host: string): boolean {
    const until = this.#outOfStep.get(host);
    return until === undefined || until <= this.#now();
  }

  isAvoided(host: string): boolean {
    const trouble = this.#troubles.get(host);
    return trouble !== undefined && trouble.until > this.#now();
  }
}

/** The host that was entered first goes. */
function makeRoom(hosts: Map<string, unknown>): void {
  const [oldest] = hosts.keys();
  if (hosts.size >= MAX_HOSTS && oldest !== undefined) hosts.delete(oldest);
}
