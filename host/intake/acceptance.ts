/**
 * When to accept: not while all places are taken or the descriptors run out. A worker that accepted all the same would take
 * clients from those that have a place for them, and without a descriptor the event loop can only close them unheard.
 *
 * How many clients the descriptors of this process are enough for.
 */

import { readFileSync } from 'node:fs';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Acceptor, Emit, Surroundings } from './incoming-connection.ts';

/**
 * Descriptors of the process itself (event loop, channel to the primary, watched files, logs, stores), clients that are
 * being turned away included; about thirty were counted.
 */
const OWN_DESCRIPTORS = 48;
/** The others are for what clients need besides their socket: spool files, deliveries, DNS, connections to next hops. */
const SHARE_OF_CLIENTS = 0.75;
/** With so few left it is too late to accept: the kernel would hand out a descriptor that the next file needs. */
export const LAST_DESCRIPTORS = 12;

let limit: number | undefined;

/** RLIMIT_NOFILE of this process, read once; `Infinity` where there is none or it cannot be read. */
export function descriptorLimit(): number {
  return (limit ??= readLimit());
}

/** Clients that may be connected at a time, so that none is accepted whom there is no descriptor for; at least one. */
export function clientsByDescriptors(descriptors = descriptorLimit()): number {
  return Math.max(1, Math.floor((descriptors - OWN_DESCRIPTORS) * SHARE_OF_CLIENTS));
}

/** RLIMIT_AS of this process, in octets; `Infinity` where there is none or it cannot be read. */
export const addressSpaceLimit = (): number => limitNamed('Max address space') ?? Number.POSITIVE_INFINITY;

function readLimit(): number {
  const limit = limitNamed('Max open files');
  if (limit !== undefined) return limit;
  // Not Linux: the report knows, but takes some milliseconds.
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return asNumber(report.userLimits?.open_files?.soft);
}

/** The soft limit that the kernel tells under this name; undefined: it tells nothing. */
function limitNamed(name: string): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const line = limits.split('\n').find((text) => text.startsWith(name));
    return line === undefined ? undefined : asNumber(line.slice(name.length).trim().split(/ +/, 1)[0]);
  } catch {
    return undefined;
  }
}

function asNumber(value: unknown): number {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : Number.POSITIVE_INFINITY;
}

/** A line about the same thing is not repeated within this time. */
const QUIET_MS = 60_000;
/** How long accepting rests when the system had no descriptor or memory for a client. */
const REST_MS = 1_000;

export interface AcceptanceOptions {
  readonly acceptors: readonly Acceptor[];
  /** How many places there are, and what the number comes from. */
  readonly places: string;
  /** As clients of a service find them. */
  readonly surroundingsOf?: ((service: string | undefined) => Surroundings) | undefined;
  log(level: LogLevel, text: string): void;
  /** A listener is gone for good, and nothing brings it back. */
  lost(error: Error): void;
  /** The only client that a listener ever had is gone. */
  ended?(): void;
  readonly now?: () => number;
}

export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #now: () => number;
  readonly #toldAt = new Map<string, number>();
  #isFull = false;
  #isResting = false;
  /** The log says that accepting pauses, and has to be told when it goes on. */
  #isPauseTold = false;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Lets clients in, once every listener is bound. */
  open(emit: Emit): void {
    const watch = {
      refused: (what: string) => this.#refused(what),
      lost: (error: Error) => {
        this.#options.log(LogLevel.CRIT, error.message);
        this.#options.lost(error);
      },
      note: (text: string) => this.#options.log(LogLevel.ERROR, text),
      ended: () => this.#options.ended?.(),
    };
    const { acceptors, surroundingsOf } = this.#options;
    for (const acceptor of acceptors) acceptor.open(emit, watch, surroundingsOf?.(acceptor.service));
    if (this.#isFull || this.#isResting) this.#apply();
  }

  /** All places are taken, or one is free again. */
  setFull(isFull: boolean): void {
    if (this.#isFull === isFull) return;
    this.#isFull = isFull;
    const isPaused = this.#apply();
    if (isFull) {
      const means = isPaused ? 'accepting pauses' : 'clients wait';
      this.#isPauseTold = this.#tell(
        'full',
        LogLevel.WARN,
        `all ${this.#options.places} are taken: ${means}`,
      );
    } else if (this.#isPauseTold) {
      this.#isPauseTold = false;
      this.#options.log(LogLevel.NOTICE, 'a place is free again: accepting goes on');
    }
  }

  /** The system could not accept a client, or could not accept the next one. */
  #refused(what: string): void {
    this.#tell(what, LogLevel.ERROR, `${what}: accepting rests for ${REST_MS / 1_000} s`);
    if (this.#isResting) return;
    this.#isResting = true;
    this.#apply();
    setTimeout(() => {
      this.#isResting = false;
      this.#apply();
    }, REST_MS).unref();
  }

  /** False if some listener cannot pause. */
  #apply(): boolean {
    const isPaused = this.#isFull || this.#isResting;
    return this.#options.acceptors.map((acceptor) => acceptor.setPaused?.(isPaused) ?? false).every(Boolean);
  }

  #tell(about: string, level: LogLevel, text: string): boolean {
    const now = this.#now();
    const toldAt = this.#toldAt.get(about);
    if (toldAt !== undefined && now - toldAt < QUIET_MS) return false;
    this.#toldAt.set(about, now);
    this.#options.log(level, text);
    return true;
  }
}
