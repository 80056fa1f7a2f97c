import { randomInt } from 'node:crypto';
import type { Clock } from '../../../bindings/plugin/services.ts';

/** Room for 2^31 more deliveries below the largest integer a double holds exactly, and then some. */
const FIRST_NUMBERS = 2 ** 31;

/** What names are made of; replaced in tests. */
export interface NameSources {
  readonly clock: Clock;
  readonly pid: number;
  readonly host: string;
  /** First number of this process. */
  readonly firstNumber?: number;
}

/**
 * Names of messages in a Maildir: `TIME.P<pid>M<usec>Q<n>.HOST`, qpsmtpd's order of the parts the Maildir convention
 * gives. No two are ever equal: within a process `n` counts up; processes that live together differ in pid; and
 * because `n` starts at a random number, so do those that follow each other with the same pid within a clock tick
 * (pids are reused; in containers all daemons may have the same, and hosts that share a Maildir the same name).
 */
export class UniqueNames {
  readonly #sources: NameSources;
  readonly #host: string;
  #number: number;

  constructor(sources: NameSources) {
    this.#sources = sources;
    this.#host = hostPart(sources.host);
    this.#number = sources.firstNumber ?? randomInt(FIRST_NUMBERS);
  }

  next(): string {
    const now = this.#sources.clock.now();
    const seconds = Math.floor(now / 1000);
    const microseconds = Math.floor((now - seconds * 1000) * 1000);
    return `${seconds}.P${this.#sources.pid}M${microseconds}Q${this.#number++}.${this.#host}`;
  }
}

/** `/` can't stand in a file name and `:` begins the flags; the convention writes both in octal. */
const hostPart = (host: string): string =>
  host.replaceAll('/', '\\057').replaceAll(':', '\\072') || 'localhost';
