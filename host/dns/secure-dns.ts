/** The DNS over resolvers whose word about DNSSEC may count: questions in wire form, answers that are kept. RFC 4035, RFC 7672 section 2.1. */

import { addressOctets } from '../../bindings/lists/client-ranges.ts';
import type { DnsAnswer, DnsOptions, Resolver } from '../../bindings/plugin/resolver.ts';
import { BoundedCache } from '../../bindings/timing/bounded-cache.ts';
import { Semaphore } from '../../bindings/timing/semaphore.ts';
import { answerWithin, failedAnswer, noSuchName } from './answer-limit.ts';
import { exchange } from './exchange.ts';
import type { TrustedResolver } from './trusted-resolvers.ts';
import type { RecordData, RecordType, WireAnswer, WireRecord } from './wire-message.ts';
import { plainName, reverseName } from '../../bindings/wire/dns-name.ts';

export interface SecureDnsLimits {
  /** For one attempt at one resolver. */
  readonly attemptMs: number;
  /** Rounds over all resolvers. */
  readonly rounds: number;
  /** Questions under way at a time; further ones wait. */
  readonly questions: number;
  readonly keptAnswers: number;
}

const DEFAULT_LIMITS: SecureDnsLimits = { attemptMs: 3_000, rounds: 2, questions: 64, keptAnswers: 10_000 };
const MAX_ALIASES = 8;
/** RFC 8767 section 4 has a cache keep nothing longer than days; mail routes are looked up again within the hour. */
const MAX_KEEP_MS = 3_600_000;
const MIN_KEEP_MS = 1_000;
/** An empty answer is kept for a minute, a failure for moments. RFC 2308 sections 5 and 7. */
const KEEP_NOTHING_MS = 60_000;
const KEEP_FAILURE_MS = 5_000;

const NO_ERROR = 0;
const NO_SUCH_NAME = 3;
const CODE_NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

type AnyAnswer = DnsAnswer<RecordData[RecordType]>;
type KeptAnswer = { readonly answer: AnyAnswer; readonly keepMs: number };

export class ResolverDns implements Resolver {
  readonly #resolvers: readonly TrustedResolver[];
  readonly #limits: SecureDnsLimits;
  readonly #permits: Semaphore;
  readonly #kept: BoundedCache<AnyAnswer>;
  readonly #asked = new Map<string, Promise<AnyAnswer>>();

  constructor(
    resolvers: readonly TrustedResolver[],
    now: () => number,
    limits: Partial<SecureDnsLimits> = {},
  ) {
    this.#resolvers = resolvers;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#permits = new Semaphore({ permits: this.#limits.questions });
    this.#kept = new BoundedCache(this.#limits.keptAnswers, now);
  }

  resolve4: Resolver['resolve4'] = (name, options) => this.ask(name, 'A', options);
  resolve6: Resolver['resolve6'] = (name, options) => this.ask(name, 'AAAA', options);
  reverse: Resolver['reverse'] = (address, options) => {
    const octets = addressOctets(address);
    return octets === undefined
      ? Promise.resolve(noSuchName(plainName(address)))
      : this.ask(reverseName(octets), 'PTR', options);
  };
  mx: Resolver['mx'] = (name, options) => this.ask(name, 'MX', options);
  txt: Resolver['txt'] = (name, options) => this.ask(name, 'TXT', options);
  tlsa: Resolver['tlsa'] = (name, options) => this.ask(name, 'TLSA', options);
  cname: Resolver['cname'] = (name, options) => this.ask(name, 'CNAME', options);

  /** Never rejects. */
  ask<T extends RecordType>(
    name: string,
    type: T,
    options: DnsOptions = {},
  ): Promise<DnsAnswer<RecordData[T]>> {
    const asked = plainName(name);
    const key = `${type} ${asked}`;
    const answer = answerWithin(asked, options, () => {
      const kept = this.#kept.get(key);
      return kept === undefined
        ? (this.#asked.get(key) ?? this.#begin(key, asked, type))
        : Promise.resolve(kept);
    });
    // The key holds the type, so what is kept under it has that type's records.
    return answer as Promise<DnsAnswer<RecordData[T]>>;
  }

  #begin(key: string, name: string, type: RecordType): Promise<AnyAnswer> {
    const answer = this.#permits
      .use(() => this.#askThroughAliases(name, type))
      .then(({ answer, keepMs }) => {
        this.#asked.delete(key);
        this.#kept.set(key, answer, keepMs);
        return answer;
      });
    this.#asked.set(key, answer);
    return answer;
  }

  /**
   * RFC 7672 section 2.1.3: a resolver may stop at an alias, and what it leads to then has to be asked for. To take that for
   * no record at all would let an attacker that can bring it about hide TLSA records.
   */
  async #askThroughAliases(name: string, type: RecordType): Promise<KeptAnswer> {
    let { answer, keepMs } = await this.#askAll(name, type);
    for (
      let at = name, steps = 0;
      answer.status === 'no such record' && answer.canonicalName !== at;
      steps++
    ) {
      if (steps === MAX_ALIASES) return endless(name);
      const { isSecure } = answer;
      at = answer.canonicalName;
      const target = await this.#askAll(at, type);
      answer = { ...target.answer, isSecure: isSecure && target.answer.isSecure };
      keepMs = Math.min(keepMs, target.keepMs);
    }
    return { answer, keepMs };
  }

  async #askAll(name: string, type: RecordType): Promise<KeptAnswer> {
    let reason = 'no resolver';
    for (let round = 0; round < this.#limits.rounds; round++) {
      for (const resolver of this.#resolvers) {
        const answer = await exchange(resolver, name, type, this.#limits.attemptMs);
        if (answer === 'not a name') return { answer: noSuchName(name), keepMs: 0 };
        if (typeof answer === 'string') reason = answer;
        else if (answer.code === NO_ERROR || answer.code === NO_SUCH_NAME)
          return digest(answer, name, type, resolver.isTrusted && answer.isAuthenticated);
        else reason = CODE_NAMES[answer.code] ?? `code ${answer.code}`;
      }
    }
    return { answer: failedAnswer(name, reason), keepMs: KEEP_FAILURE_MS };
  }
}

function digest(
  { code, records }: WireAnswer,
  name: string,
  type: RecordType,
  isSecure: boolean,
): KeptAnswer {
  const aliases = type === 'CNAME' ? [] : aliasesFrom(records, name);
  if (aliases === undefined) return endless(name);
  const canonicalName = aliases.at(-1)?.data ?? name;
  const found = records.filter((record) => record.type === type && record.name === canonicalName);
  if (found.length === 0) {
    const status = code === NO_SUCH_NAME ? 'no such name' : 'no such record';
    return { answer: { status, isSecure, canonicalName }, keepMs: KEEP_NOTHING_MS };
  }
  const ttlMs = Math.min(...[...aliases, ...found].map(({ ttlSeconds }) => ttlSeconds)) * 1_000;
  return {
    answer: { status: 'found', records: found.map(({ data }) => data), isSecure, canonicalName },
    keepMs: Math.min(Math.max(ttlMs, MIN_KEEP_MS), MAX_KEEP_MS),
  };
}

const endless = (name: string): KeptAnswer => ({
  answer: failedAnswer(name, 'aliases without end'),
  keepMs: KEEP_FAILURE_MS,
});

type Alias = Extract<WireRecord, { type: 'CNAME' }>;

/** The aliases from `name` on, in their order; undefined if they are too many or go in circles. */
function aliasesFrom(records: readonly WireRecord[], name: string): readonly Alias[] | undefined {
  const aliases: Alias[] = [];
  for (let at = name; ; at = aliases.at(-1)!.data) {
    const next = records.find((record): record is Alias => record.type === 'CNAME' && record.name === at);
    if (next === undefined) return aliases;
    if (aliases.length === MAX_ALIASES) return undefined;
    aliases.push(next);
  }
}
