/** Sends the reports of days that are over, each once, whichever process comes first. */

import { createHash } from 'node:crypto';
import type { Clock, Log, Store } from '../../bindings/plugin/index.ts';
import { Timer } from '../../bindings/timing/index.ts';
import { DAY_MS, dayOf, daysOf, domainsOf, printDay } from './day-counts.ts';

const MINUTE_MS = 60_000;
/** How often it is looked for days that are over. */
const LOOK_EVERY_MS = 15 * MINUTE_MS;
/** Until then every process has written what it counted up to midnight. */
const EARLIEST_MS = 5 * MINUTE_MS;
/** Not all sites of the world at once, as those who read reports have to take them all: at most so long after. */
const SPREAD_MS = 175 * MINUTE_MS;
/** A process that has taken a report and not sent it is taken for dead after this time; no report may take it that long. */
const RETRY_AFTER_MS = 60 * MINUTE_MS;
/** Older days are of no use to anybody. */
const MAX_AGE_DAYS = 3;

/** `later`: it could not be sent now. */
export type Sent = 'sent' | 'not wanted' | 'later';

export interface DailyJobOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Pick<Log, 'notice' | 'warn'>;
  /** The name of this host, which settles how long after midnight it begins. */
  readonly host: string;
  /** Sends the report of one day about one domain, to everybody who wants it. May reject: that is `later`. */
  send(day: number, domain: string): Promise<Sent>;
}

export class DailyJob {
  readonly #options: DailyJobOptions;
  readonly #timer = new Timer();
  readonly #delayMs: number;
  #isClosed = false;

  constructor(options: DailyJobOptions) {
    this.#options = options;
    const [octet = 0, next = 0] = createHash('sha256').update(options.host).digest();
    this.#delayMs = EARLIEST_MS + ((octet * 256 + next) / 65_536) * SPREAD_MS;
  }

  /** Sends what is due now, and from now on. */
  start(): void {
    void this.run().finally(() => {
      if (!this.#isClosed) this.#timer.start(LOOK_EVERY_MS, () => this.start());
    });
  }

  /** Sends what is due. Never rejects. */
  async run(): Promise<void> {
    const { store, clock, log } = this.#options;
    try {
      const today = dayOf(clock.now() - this.#delayMs);
      for (const day of await daysOf(store)) {
        if (day >= today || day < today - MAX_AGE_DAYS) continue;
        for (const domain of await domainsOf(store, day)) {
          if (this.#isClosed) return;
          await this.#sendOnce(day, domain);
        }
      }
    } catch (cause) {
      log.warn(`reports: ${String(cause)}`);
    }
  }

  /** Only one process has the claim; what is not sent within an hour may be claimed anew. */
  async #sendOnce(day: number, domain: string): Promise<void> {
    const { store, clock, log } = this.#options;
    const key = `sent ${day} ${domain}`;
    const now = clock.now();
    const isMine = await store.transact(key, (value) => {
      const isFree = value === undefined || (value !== 'done' && Number(value) + RETRY_AFTER_MS <= now);
      return isFree ? { value: String(now), expiresInMs: 7 * DAY_MS, answer: true } : { answer: false };
    });
    if (!isMine) return;
    let sent: Sent = 'later';
    try {
      sent = await this.#options.send(day, domain);
    } catch (cause) {
      log.warn(`report of ${printDay(day)} about ${domain}: ${String(cause)}`);
    }
    if (sent === 'later') return;
    await store.set(key, 'done', { expiresInMs: 7 * DAY_MS });
    if (sent === 'sent') log.notice(`report of ${printDay(day)} about ${domain} is sent`);
  }

  stop(): void {
    this.#isClosed = true;
    this.#timer.stop();
  }
}
