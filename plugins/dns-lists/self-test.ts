/**
 * Whether a list is in order: it has the entry that every list must have, and not the one that none may have. A list whose domain
 * has expired lists the whole world, and one that was given up may. RFC 5782 section 5.
 */

import { LogLevel, type Clock, type Log } from '../../bindings/plugin/index.ts';

/** What came of one question, before anything is judged by it. */
export type ListedState = 'listed' | 'not listed' | { readonly failed: string; readonly isByList: boolean };

export type ListKind = 'addresses' | 'domains';
export type AddressFamily = 4 | 6;

export interface SelfTestOptions {
  /** What the list is called in the log. */
  readonly name: string;
  readonly kind: ListKind;
  /** Families that the list must have, and the only ones it is tried for. Undefined: IPv4; IPv6 is tried as well. */
  readonly families: readonly AddressFamily[] | undefined;
  /** Asks with these labels in front of the zone. Never rejects. */
  readonly look: (labels: string) => Promise<ListedState>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * RFC 5782 section 5: listed, and not listed. An IPv6 address in hexadecimal digits from the last to the first. Lists of names that
 * hold addresses as well, such as those of SURBL and URIBL, may have the third instead of the first.
 */
const ENTRIES = {
  4: ['2.0.0.127', '1.0.0.127'],
  6: [
    '2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0',
    '1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0',
  ],
  domains: ['test', 'invalid', '2.0.0.127'],
} as const;
type Part = keyof typeof ENTRIES;

const NAMES: Readonly<Record<Part, readonly [string, string]>> = {
  4: ['127.0.0.2', '127.0.0.1'],
  6: ['::ffff:127.0.0.2', '::ffff:127.0.0.1'],
  domains: ['TEST or 127.0.0.2', 'INVALID'],
};

const AGAIN_MS = 3_600_000;
/** After a test that could not be made. */
const SOON_MS = 300_000;

/** What a test of one part brought: no problem (''), a problem, or nothing at all. */
type Outcome = { readonly part: Part; readonly problem: string | undefined };

export class SelfTest {
  readonly #options: SelfTestOptions;
  /** Parts that do not work, and why. What could not be tested stays as it was. */
  readonly #problems = new Map<Part, string>();
  #dueAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined = undefined;

  constructor(options: SelfTestOptions) {
    this.#options = options;
  }

  /** Why answers about such subjects are not to be believed; undefined as far as is known. Lists of names may hold addresses. */
  problem(family: AddressFamily | undefined): string | undefined {
    return this.#problems.get(this.#options.kind === 'domains' ? 'domains' : (family ?? 4));
  }

  /** All that is wrong, for a check by hand. */
  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  /** Begins the test if it is due; resolves with the end of the one that runs, undefined if none does. Never rejects. */
  begin(): Promise<void> | undefined {
    const now = this.#options.clock.now();
    // The second condition: the operator has set the clock back.
    const isDue = now >= this.#dueAt || now < this.#dueAt - AGAIN_MS;
    if (this.#running === undefined && isDue) {
      this.#dueAt = now + AGAIN_MS;
      this.#running = this.#run().finally(() => (this.#running = undefined));
    }
    return this.#running;
  }

  async #run(): Promise<void> {
    const { kind, families = [4, 6] } = this.#options;
    const parts: readonly Part[] = kind === 'domains' ? ['domains'] : families;
    const outcomes = await Promise.all(parts.map((part) => this.#try(part)));
    for (const { part, problem } of outcomes) {
      if (problem === undefined) this.#dueAt = Math.min(this.#dueAt, this.#options.clock.now() + SOON_MS);
      else if (problem === '') this.#passed(part);
      else this.#failed(part, problem);
    }
  }

  async #try(part: Part): Promise<Outcome> {
    const { families, look } = this.#options;
    const isNeeded = part !== 6 || families !== undefined;
    const [own, absent, instead] = await Promise.all(ENTRIES[part].map(look));
    const there = own === 'not listed' && isOfUse(instead) ? instead : own;
    const [must, mustNot] = NAMES[part];
    const fault = [there, absent].find((state) => typeof state === 'object' && state.isByList);
    if (typeof fault === 'object') return { part, problem: fault.failed };
    if (absent === 'listed') return { part, problem: `it lists ${mustNot}, so it may list everything` };
    if (typeof there === 'object' || typeof absent === 'object') return { part, problem: undefined };
    const isMissing = isNeeded && there !== 'listed';
    return { part, problem: isMissing ? `it does not list ${must}, as every list has to` : '' };
  }

  #passed(part: Part): void {
    if (!this.#problems.delete(part)) return;
    this.#options.log.at(LogLevel.NOTICE, `${this.#subject(part)} is in use again: it has passed its test`);
  }

  #failed(part: Part, problem: string): void {
    this.#problems.set(part, problem);
    this.#options.log.at(
      LogLevel.ALERT,
      `${this.#subject(part)} is not used until it passes its test: ${problem} (RFC 5782 section 5; \`test=no\` in its line leaves the test out)`,
    );
  }

  #subject(part: Part): string {
    return `list ${this.#options.name}${part === 'domains' ? '' : ` for IPv${part}`}`;
  }
}

/** A list that takes no addresses says nothing about itself by that. */
const isOfUse = (state: ListedState | undefined): state is ListedState =>
  typeof state === 'object' ? !state.isByList : state === 'listed';
