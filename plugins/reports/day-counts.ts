/**
 * What is counted by the day, to be reported on the next one: rows of a report, each with how often it came up. Days are those
 * of UTC, by their number since 1970.
 */

import { createHash } from 'node:crypto';
import type { Clock, Log, Services, Setup, Store } from '../../bindings/plugin/index.ts';
import { Timer } from '../../bindings/timing/index.ts';

export const DAY_MS = 86_400_000;
/** Rows wait in memory for so long: kill -9 loses the counts of this time, and no message. */
const WRITE_AFTER_MS = 30_000;
/** So many are written at once, without waiting for the time. */
const MANY_ROWS = 1_000;
/** What a client can vary without end (names, selectors) must not fill the store: more rows are not counted. */
const MAX_ROWS_OF_DOMAIN = 5_000;
const MAX_ROWS = 100_000;
/** The same in octets. */
const MAX_OCTETS_OF_DOMAIN = 4_194_304;
const MAX_OCTETS = 33_554_432;
/** Reports are tried for three days; after that nothing needs the rows. */
const KEEP_MS = 5 * DAY_MS;

export interface DayCountsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

/** What a day has of one domain. */
export interface DomainDay<R, A> {
  readonly domain: string;
  /** What holds for all rows, as it was told last. */
  readonly about: A;
  readonly rows: readonly { readonly row: R; readonly count: number }[];
}

export const dayOf = (epochMs: number): number => Math.floor(epochMs / DAY_MS);

/** Sweden writes days as RFC 3339 does. */
const days = new Intl.DateTimeFormat('sv-SE', { timeZone: 'UTC' });

/** `2026-11-30`. */
export const printDay = (day: number): string => days.format(day * DAY_MS);

/** The number of the day; undefined for what is none. */
export function parseDay(text: string): number | undefined {
  const epochMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(epochMs) ? undefined : dayOf(epochMs);
}

interface Pending {
  readonly row: string;
  count: number;
}

interface SeenDomain {
  about: string;
  octets: number;
  /** Keys. */
  readonly rows: Set<string>;
}

export class DayCounts<R, A> {
  readonly #options: DayCountsOptions;
  readonly #timer = new Timer();
  /** Rows that are not in the store yet, by their key. */
  #pending = new Map<string, Pending>();
  /** What is to be told of domains, by key. */
  #abouts = new Map<string, string>();
  /** What the day has of each domain, to bound it, and what was told last of it. */
  readonly #seen = new Map<string, SeenDomain>();
  #seenRows = 0;
  #seenOctets = 0;
  #day = -1;
  #dropped = 0;
  /** Undefined: nothing is written now. */
  #writing: Promise<void> | undefined = undefined;
  /** What is written after it. */
  #next: Promise<void> | undefined = undefined;

  constructor(options: DayCountsOptions) {
    this.#options = options;
  }

  /** Never throws and waits for nothing. `domain` is in A-labels and lower case. */
  count(domain: string, about: A, row: R, times = 1): void {
    const day = dayOf(this.#options.clock.now());
    if (day !== this.#day) this.#beginDay(day);
    const text = JSON.stringify(row);
    const key = `row ${day} ${domain} ${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`;
    if (!this.#note(domain, JSON.stringify(about), key, text.length)) {
      this.#dropped++;
      return;
    }
    const pending = this.#pending.get(key);
    if (pending === undefined) this.#pending.set(key, { row: text, count: times });
    else pending.count += times;
    if (this.#pending.size >= MANY_ROWS) void this.write();
    else if (this.#pending.size === 1) this.#timer.start(WRITE_AFTER_MS, () => void this.write());
  }

  #beginDay(day: number): void {
    if (this.#dropped > 0)
      this.#options.log.warn(`${this.#dropped} rows of ${printDay(this.#day)} were too many to be reported`);
    this.#day = day;
    this.#dropped = 0;
    this.#seen.clear();
    this.#seenRows = 0;
    this.#seenOctets = 0;
  }

  /** False: there are too many rows already. */
  #note(domain: string, about: string, key: string, octets: number): boolean {
    const seen = this.#seen.get(domain) ?? { about: '', octets: 0, rows: new Set() };
    if (!seen.rows.has(key)) {
      if (!this.#hasRoom(seen, octets)) return false;
      this.#seen.set(domain, seen);
      seen.rows.add(key);
      seen.octets += octets;
      this.#seenRows++;
      this.#seenOctets += octets;
    }
    if (seen.about !== about) {
      seen.about = about;
      this.#abouts.set(`about ${this.#day} ${domain}`, about);
    }
    return true;
  }

  /** Those of the day before may wait as well, for a store that does not answer. */
  #hasRoom({ rows, octets }: SeenDomain, more: number): boolean {
    return (
      rows.size < MAX_ROWS_OF_DOMAIN &&
      octets + more <= MAX_OCTETS_OF_DOMAIN &&
      this.#seenRows < MAX_ROWS &&
      this.#seenOctets + more <= MAX_OCTETS &&
      this.#pending.size < MAX_ROWS
    );
  }

  /**
   * Writes what is pending; while something is written, that waits, together with what comes until then. Never rejects: what the
   * store does not take is lost, and told.
   */
  write(): Promise<void> {
    this.#timer.stop();
    if (this.#writing === undefined) return (this.#writing = this.#writePending());
    return (this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      return this.write();
    }));
  }

  async #writePending(): Promise<void> {
    const [rows, abouts] = [this.#pending, this.#abouts];
    this.#pending = new Map();
    this.#abouts = new Map();
    try {
      await this.#writeAll(rows, abouts);
    } catch (cause) {
      // They are told anew with the next row: rows of a domain of which nothing is known would never be reported.
      for (const seen of this.#seen.values()) seen.about = '';
      this.#options.log.warn(`counts of ${rows.size} rows are lost to reports: ${String(cause)}`);
    }
    this.#writing = undefined;
  }

  async #writeAll(rows: ReadonlyMap<string, Pending>, abouts: ReadonlyMap<string, string>): Promise<void> {
    const { store } = this.#options;
    for (const [key, about] of abouts) await store.set(key, about, { expiresInMs: KEEP_MS });
    for (const [key, { row, count }] of rows) {
      await store.transact(key, (value) => ({
        value: `${Number.parseInt(value ?? '0', 10) + count} ${row}`,
        expiresInMs: KEEP_MS,
        answer: undefined,
      }));
    }
  }

  /** To be registered with `Setup.onClose`. */
  close(): Promise<void> {
    return this.write();
  }
}

/** What of its set-up a plugin gives that counts. */
export interface CountsSetup extends Pick<Setup<unknown>, 'onClose'> {
  readonly services: Pick<Services, 'clock' | 'store'>;
  readonly log: Pick<Log, 'warn'>;
}

/** Counts into the store of that name, until the plugin is closed. */
export function openDayCounts<R, A>(
  storeName: string,
  { services: { clock, store }, log, onClose }: CountsSetup,
): DayCounts<R, A> {
  const counts = new DayCounts<R, A>({ store: store.open(storeName), clock, log });
  onClose(() => counts.close());
  return counts;
}

/** The domains that a day has, in their order. */
export async function domainsOf(store: Store, day: number): Promise<readonly string[]> {
  const domains: string[] = [];
  for await (const [key] of store.scan(`about ${day} `)) domains.push(key.split(' ')[2]!);
  return domains.sort();
}

/** The days that have anything, the last one first. */
export async function daysOf(store: Store): Promise<readonly number[]> {
  const days = new Set<number>();
  for await (const [key] of store.scan('about ')) days.add(Number(key.split(' ')[1]));
  return [...days].sort((a, b) => b - a);
}

/** Undefined if the day has nothing of the domain. */
export async function readDomainDay<R, A>(
  store: Store,
  day: number,
  domain: string,
): Promise<DomainDay<R, A> | undefined> {
  const about = await store.get(`about ${day} ${domain}`);
  if (about === undefined) return undefined;
  const rows: { row: R; count: number }[] = [];
  for await (const [, value] of store.scan(`row ${day} ${domain} `)) {
    const blank = value.indexOf(' ');
    rows.push({ count: Number(value.slice(0, blank)), row: JSON.parse(value.slice(blank + 1)) as R });
  }
  return rows.length === 0 ? undefined : { domain, about: JSON.parse(about) as A, rows };
}
