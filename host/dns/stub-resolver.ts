/**
 * Asks recursive servers of the DNS, each question once however many wait for it, and keeps what they answer. RFC 1035 section
 * 7, RFC 2308, RFC 5452.
 */

import type { Core } from '../../bindings/core/contract.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { DnsAnswer, DnsOptions, Resolver } from '../../bindings/plugin/resolver.ts';
import { DenseSet } from '../../bindings/timing/dense-set.ts';
import { plainName } from '../../bindings/wire/dns-name.ts';
import { AnswerCache } from './answer-cache.ts';
import { failedAnswer, noSuchName } from './answer-limit.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import { DnsServer, type DnsLog } from './dns-server.ts';
import { Lookup } from './lookup.ts';
import { pointerName, type AskedType } from './question.ts';
import {
  ENDLESS_ALIASES,
  KEEP_MOMENT_MS,
  MAX_ALIASES,
  type AnyAnswer,
  type ReadAnswer,
  type RecordData,
  type TimedAnswer,
} from './reply-reader.ts';
import type { ServerAddress } from './server-addresses.ts';
import { TcpLine } from './tcp-line.ts';

/** The servers to ask, and how patiently. */
export interface ServerList {
  readonly servers: readonly ServerAddress[];
  /** How long one server is waited for before the next is asked; undefined: what the whole time allows. */
  readonly attemptMs?: number | undefined;
  /** Rounds over all servers. */
  readonly attempts: number;
}

export interface StubResolverOptions {
  readonly core: Core;
  /** Called for each question that has to be sent; another object than the last time: the servers are others. */
  readonly serverList: () => ServerList;
  /** How long an answer is waited for in all where the question does not say. */
  readonly timeoutMs: number;
  /** What the answers that are kept may take. */
  readonly cacheOctets: number;
  readonly log: DnsLog;
  /** The time that answers grow old by, in milliseconds; undefined: that of the machine. */
  readonly now?: (() => number) | undefined;
  /** Questions that are sent and not answered; undefined: 4,096. Further ones wait. */
  readonly maxAsked?: number | undefined;
}

const MAX_ASKED = 4_096;
/** Questions that wait for being sent, besides. */
const MAX_LINE = 16_384;
/** What has left the line is dropped from it in pieces: each time would cost the length of the line. */
const LINE_PIECE = 1_024;
/** Questions that were just sent: more at a time than fit into the buffer of the server's socket would be lost. */
const MAX_FRESH = 160;
/** After so many ticks a question is no longer in that buffer, whether it is answered or not. */
const FRESH_TICKS = 5;
/** Time limits are looked at so often, while there is a question. */
const TICK_MS = 20;
const LATE_MS = 100;
/** After so many ticks without a question there are no timer and no socket any more. */
const IDLE_TICKS = 250;
const MIN_ATTEMPT_MS = 250;
const MAX_ATTEMPT_MS = 1_500;

/** The type is a part of the key by which answers are kept. */
const KEYS: Readonly<Record<AskedType, string>> = {
  A: 'A ',
  AAAA: 'AAAA ',
  CNAME: 'CNAME ',
  MX: 'MX ',
  PTR: 'PTR ',
  TLSA: 'TLSA ',
  TXT: 'TXT ',
};

/**
 * By what answers are kept. Addresses are asked for most: their key is the name itself, which needs no new string. What has a space
 * is no name, and must not be taken for the key of another type.
 */
const keyOf = (type: AskedType, name: string): string =>
  type === 'A' && !name.includes(' ') ? name : KEYS[type] + name;

export class StubResolver implements Resolver, AttemptOwner {
  readonly core: Core;
  readonly #options: StubResolverOptions;
  readonly #cache: AnswerCache;
  readonly #asked = new Map<string, Lookup>();
  readonly #listed = new DenseSet<'listedAt', Lookup>('listedAt');
  /** Lookups that wait for being sent, in their order; those that are over by then are passed over. */
  #line: Lookup[] = [];
  #lineAt = 0;
  #isAdmitting = false;
  readonly #tcp = new TcpLine();
  #list: ServerList | undefined = undefined;
  #servers: readonly DnsServer[] = [];
  /** Sent, or about to be. */
  #sent = 0;
  #fresh = 0;
  #tick = 0;
  #tickedAt = 0;
  #wasLate = false;
  #idleTicks = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  #isClosed = false;

  constructor(options: StubResolverOptions) {
    this.core = options.core;
    this.#options = options;
    this.#cache = new AnswerCache(options.cacheOctets, options.now ?? (() => performance.now()));
  }

  resolve4: Resolver['resolve4'] = (name, options) => this.ask(name, 'A', options);
  resolve6: Resolver['resolve6'] = (name, options) => this.ask(name, 'AAAA', options);
  reverse: Resolver['reverse'] = (address, options) => {
    const name = pointerName(address);
    return name === undefined
      ? Promise.resolve(noSuchName(plainName(address)))
      : this.ask(name, 'PTR', options);
  };
  mx: Resolver['mx'] = (name, options) => this.ask(name, 'MX', options);
  txt: Resolver['txt'] = (name, options) => this.ask(name, 'TXT', options);
  tlsa: Resolver['tlsa'] = (name, options) => this.ask(name, 'TLSA', options);
  cname: Resolver['cname'] = (name, options) => this.ask(name, 'CNAME', options);

  resolve4Now: Resolver['resolve4Now'] = (name) =>
    this.#cache.get(keyOf('A', plainName(name)))?.answer as DnsAnswer<string> | undefined;
  resolve4For: Resolver['resolve4For'] = (name, receiver, options) => {
    const asked = plainName(name);
    const nowMs = performance.now();
    const found =
      options?.signal?.aborted === true
        ? failedAnswer(asked, 'aborted')
        : this.#find(keyOf('A', asked), asked, 'A', nowMs);
    if (found instanceof Lookup) return found.tell(receiver, nowMs, options);
    try {
      // The key holds the type.
      receiver.receive(found as DnsAnswer<string>);
    } catch (cause) {
      this.blame(cause);
    }
  };

  /** What is known of the names of an address without a question; undefined: it has to be asked. */
  reverseNow(address: string): DnsAnswer<string> | undefined {
    const name = pointerName(address);
    if (name === undefined) return noSuchName(plainName(address));
    return this.#cache.get(keyOf('PTR', name))?.answer as DnsAnswer<string> | undefined;
  }

  /** Never rejects. An answer that is kept, or that others wait for, costs no timer and no promise of its own. */
  ask<T extends AskedType>(name: string, type: T, options?: DnsOptions): Promise<DnsAnswer<RecordData[T]>> {
    const asked = plainName(name);
    // The key holds the type, so what is known under it has that type's records.
    return this.#ask(keyOf(type, asked), asked, type, options) as Promise<DnsAnswer<RecordData[T]>>;
  }

  /** What is open or under way, for tests and reports. */
  get counts() {
    return {
      lookups: this.#listed.size,
      sent: this.#sent,
      fresh: this.#fresh,
      line: this.#line.length - this.#lineAt,
      connections: this.#tcp.connections,
      sockets: this.#servers.reduce((sum, { pool }) => sum + pool.sockets, 0),
      waiting: this.#servers.reduce((sum, { pool }) => sum + pool.waiting, 0),
      kept: this.#cache.size,
      keptOctets: this.#cache.octets,
      hasTimer: this.#timer !== undefined,
    };
  }

  /** Questions under way fail, and so do all that come later. */
  close(): void {
    this.#isClosed = true;
    this.#listed.forEach((lookup) => this.#settle(lookup, failedAnswer(lookup.name, 'closed')));
    this.#line = [];
    this.#lineAt = 0;
    this.#tcp.close();
    for (const { pool } of this.#servers) pool.close();
    this.#cache.clear();
    this.#stopTimer();
  }

  now(): number {
    return performance.now();
  }

  blame(cause: unknown): void {
    this.#options.log(LogLevel.ERROR, `a receiver of an answer has failed: ${String(cause)}`);
  }

  #ask(key: string, name: string, type: AskedType, options: DnsOptions | undefined): Promise<AnyAnswer> {
    if (options?.signal?.aborted === true) return Promise.resolve(failedAnswer(name, 'aborted'));
    const kept = this.#cache.get(key);
    if (kept !== undefined) return (kept.promise ??= Promise.resolve(kept.answer));
    const nowMs = performance.now();
    const lookup = this.#asked.get(key) ?? this.#begin(key, name, type, nowMs);
    return lookup instanceof Lookup ? lookup.join(nowMs, options) : Promise.resolve(lookup);
  }

  #find(key: string, name: string, type: AskedType, nowMs: number): Lookup | AnyAnswer {
    return this.#cache.get(key)?.answer ?? this.#asked.get(key) ?? this.#begin(key, name, type, nowMs);
  }

  /** Returns an answer if there is one without a question. */
  #begin(asked: string, name: string, type: AskedType, nowMs: number): Lookup | AnyAnswer {
    if (this.#isClosed) return failedAnswer(name, 'closed');
    this.#useServers();
    if (this.#servers.length === 0) return failedAnswer(name, 'no DNS server');
    if (this.#listed.size >= this.#maxListed) return failedAnswer(name, 'too many questions');
    const giveUpAt = nowMs + this.#options.timeoutMs;
    // The name may have been cut out of a message, and V8 would keep the whole of it as long as the answer.
    const own = ` ${name}`.slice(1);
    const key = asked === name ? own : keyOf(type, own);
    const lookup = new Lookup(this, key, own, type, this.#serversInOrder(nowMs), giveUpAt);
    const hasRoom = this.#hasRoom();
    // What has to wait is put into its form when there is room: there may be thousands of them.
    const first = hasRoom ? this.#attempt(lookup, lookup.servers[0]!, nowMs) : undefined;
    if (hasRoom && first === undefined) return noSuchName(name);
    this.#asked.set(key, lookup);
    this.#listed.add(lookup);
    this.#startTimer();
    if (first === undefined) this.#enterLine(lookup);
    else this.#sendFirst(lookup, first, nowMs);
    return lookup;
  }

  /** Those that were given up leave their place at the latest when they could be half of the line. */
  #enterLine(lookup: Lookup): void {
    if (this.#line.length >= this.#maxListed * 2) {
      this.#line = this.#line.slice(this.#lineAt).filter(({ isOver }) => !isOver);
      this.#lineAt = 0;
    }
    this.#line.push(lookup);
  }

  get #maxListed(): number {
    return (this.#options.maxAsked ?? MAX_ASKED) + MAX_LINE;
  }

  #hasRoom(): boolean {
    return this.#fresh < MAX_FRESH && this.#sent < (this.#options.maxAsked ?? MAX_ASKED);
  }

  #sendFirst(lookup: Lookup, attempt: Attempt, nowMs: number): void {
    lookup.isSent = true;
    this.#sent++;
    this.#send(lookup, attempt, nowMs);
  }

  /** Lookups that waited for room, as many as there is room for. */
  #admit(): void {
    // What is no name makes room at once, for the next: thousands of them must not be thousands of calls deep.
    if (this.#isClosed || this.#isAdmitting) return;
    this.#isAdmitting = true;
    try {
      const nowMs = performance.now();
      while (this.#lineAt < this.#line.length && this.#hasRoom()) {
        const lookup = this.#line[this.#lineAt++]!;
        if (!lookup.isOver) this.#tryNext(lookup, nowMs);
      }
    } finally {
      this.#isAdmitting = false;
    }
    if (this.#lineAt < this.#line.length && this.#lineAt < LINE_PIECE) return;
    this.#line.splice(0, this.#lineAt);
    this.#lineAt = 0;
  }

  // --- one lookup ---

  #attempt(lookup: Lookup, server: DnsServer, nowMs: number): Attempt | undefined {
    return Attempt.of(this, lookup, server, server.form(nowMs));
  }

  #send(lookup: Lookup, attempt: Attempt, nowMs: number): void {
    lookup.attempts.push(attempt);
    lookup.tried++;
    lookup.nextAt = nowMs + this.#attemptMs(lookup);
    this.#sendDatagram(attempt);
  }

  #sendDatagram(attempt: Attempt): void {
    attempt.sentAtTick = this.#tick;
    this.#fresh++;
    attempt.server.pool.send(attempt);
  }

  #attemptMs({ servers }: Lookup): number {
    const { attemptMs, attempts } = this.#list!;
    if (attemptMs !== undefined) return attemptMs;
    const share = this.#options.timeoutMs / (servers.length * attempts);
    return Math.min(Math.max(share, MIN_ATTEMPT_MS), MAX_ATTEMPT_MS);
  }

  /** Asks the next server, if the limits allow one more attempt; gives up if nothing is under way any more. */
  #tryNext(lookup: Lookup, nowMs: number): void {
    lookup.nextAt = Infinity;
    const { servers, tried } = lookup;
    if (tried < servers.length * this.#list!.attempts) {
      const attempt = this.#attempt(lookup, servers[tried % servers.length]!, nowMs);
      // An alias may lead to what is no name.
      if (attempt === undefined) return this.#settle(lookup, noSuchName(lookup.at));
      if (lookup.isSent) this.#send(lookup, attempt, nowMs);
      else this.#sendFirst(lookup, attempt, nowMs);
    } else if (lookup.attempts.length === 0) this.#fail(lookup);
  }

  found(attempt: Attempt, read: ReadAnswer): void {
    const { lookup } = attempt;
    if (lookup.isOver) return;
    if (attempt.isWithoutEdns) attempt.server.lacksEdns(performance.now());
    const { answer } = read;
    const leadsOn = answer.status === 'no such record' && answer.canonicalName !== lookup.at;
    if (leadsOn && lookup.type !== 'CNAME') this.#askOn(lookup, read);
    else this.#finish(lookup, read);
  }

  /**
   * RFC 7672 section 2.1.3: a resolver may stop at an alias, and what it leads to then has to be asked for. To take that for
   * no record at all would let an attacker that can bring it about hide TLSA records.
   */
  #askOn(lookup: Lookup, { answer, aliasesMs }: ReadAnswer): void {
    if (++lookup.aliases > MAX_ALIASES) {
      // The failure is that of the first name alone: each of the others may be few aliases away from an answer.
      lookup.reason = ENDLESS_ALIASES;
      return this.#fail(lookup);
    }
    lookup.isSecure &&= answer.isSecure;
    lookup.keepMs = Math.min(lookup.keepMs, aliasesMs);
    lookup.at = answer.canonicalName;
    const kept = this.#cache.get(keyOf(lookup.type, lookup.at));
    if (kept !== undefined)
      return this.#finish(lookup, { answer: kept.answer, keepMs: this.#cache.restMs(kept) });
    this.#beginAnew(lookup);
    this.#tryNext(lookup, performance.now());
  }

  #finish(lookup: Lookup, { answer, keepMs }: TimedAnswer): void {
    const isSecure = lookup.isSecure && answer.isSecure;
    const whole = isSecure === answer.isSecure ? answer : Object.freeze({ ...answer, isSecure });
    if (lookup.at !== lookup.name) this.#cache.set(keyOf(lookup.type, lookup.at), { answer, keepMs });
    this.#cache.set(lookup.key, { answer: whole, keepMs: Math.min(lookup.keepMs, keepMs) });
    this.#settle(lookup, whole);
  }

  refused(attempt: Attempt, reason: string): void {
    const { lookup } = attempt;
    this.#drop(attempt);
    if (lookup.isOver) return;
    lookup.reason = reason;
    // A server that cannot say is not asked again; it will say the same for a while.
    if (++lookup.refusals >= lookup.servers.length) this.#fail(lookup);
    else this.#tryNext(lookup, performance.now());
  }

  missed(attempt: Attempt, reason: string): void {
    const { lookup, server } = attempt;
    const nowMs = performance.now();
    server.misses(nowMs);
    this.#drop(attempt);
    if (lookup.isOver) return;
    lookup.reason = reason;
    const isRoundOver = lookup.tried % lookup.servers.length === 0;
    const isLast = lookup.tried >= lookup.servers.length * this.#list!.attempts;
    // After a round in which nobody could be reached there is a pause: a server that starts anew needs a moment.
    if (!isRoundOver || isLast) this.#tryNext(lookup, nowMs);
  }

  toTcp(attempt: Attempt): void {
    this.#unfresh(attempt);
    if (attempt.lookup.isOver) return;
    attempt.isOverTcp = true;
    const { address, port } = attempt.server;
    this.#tcp.ask(address, port, attempt);
  }

  withoutEdns(attempt: Attempt): void {
    const { lookup, server } = attempt;
    this.#drop(attempt);
    if (lookup.isOver) return;
    const again = Attempt.of(this, lookup, server, { ...attempt.form, hasEdns: false })!;
    again.isWithoutEdns = true;
    lookup.attempts.push(again);
    this.#sendDatagram(again);
  }

  /** Nobody waits any more. */
  cancel(lookup: Lookup): void {
    this.#settle(lookup, failedAnswer(lookup.name, 'aborted'));
  }

  #fail(lookup: Lookup): void {
    const answer = failedAnswer(lookup.name, lookup.reason);
    this.#cache.set(lookup.key, { answer, keepMs: KEEP_MOMENT_MS });
    this.#settle(lookup, answer);
  }

  /** It fails, unless somebody has more patience: then all begins anew, as the servers may be back. */
  #giveUp(lookup: Lookup, nowMs: number): void {
    if (!lookup.outlasts(nowMs + this.#options.timeoutMs)) return this.#fail(lookup);
    if (!lookup.isSent) return;
    this.#beginAnew(lookup);
    this.#tryNext(lookup, nowMs);
  }

  #settle(lookup: Lookup, answer: AnyAnswer): void {
    if (lookup.isOver) return;
    this.#forgetAttempts(lookup);
    this.#asked.delete(lookup.key);
    this.#listed.delete(lookup);
    if (lookup.isSent) this.#sent--;
    lookup.settle(answer);
    if (this.#line.length > 0) this.#admit();
    if (this.#listed.size === 0) this.#timer?.unref();
  }

  /** What was tried does not count any more. */
  #beginAnew(lookup: Lookup): void {
    this.#forgetAttempts(lookup);
    lookup.tried = 0;
    lookup.refusals = 0;
  }

  #forgetAttempts(lookup: Lookup): void {
    const { attempts } = lookup;
    if (attempts.length === 0) return;
    lookup.attempts = [];
    for (const attempt of attempts) this.#forget(attempt);
  }

  /** It is of no use any more; others of the same lookup may be. */
  #drop(attempt: Attempt): void {
    const { attempts } = attempt.lookup;
    const index = attempts.indexOf(attempt);
    if (index !== -1) attempts.splice(index, 1);
    this.#forget(attempt);
  }

  #forget(attempt: Attempt): void {
    this.#unfresh(attempt);
    if (attempt.isOverTcp) this.#tcp.forget(attempt);
    else attempt.server.pool.forget(attempt);
  }

  #unfresh(attempt: Attempt): void {
    if (attempt.sentAtTick === -1) return;
    attempt.sentAtTick = -1;
    this.#fresh--;
  }

  // --- servers ---

  #useServers(): void {
    const list = this.#options.serverList();
    if (list === this.#list) return;
    this.#list = list;
    const kept = this.#servers;
    this.#servers = list.servers.map(
      (server) => kept.find((each) => isSame(each, server)) ?? new DnsServer(server, this.#options.log),
    );
    const gone = kept.filter((each) => !this.#servers.includes(each));
    if (gone.length === 0 && kept.length === this.#servers.length) return;
    // Others may answer something else: a network with names of its own, say.
    this.#cache.clear();
    for (const { pool } of gone) pool.close();
    this.#listed.forEach((lookup) => {
      if (!lookup.servers.some((server) => gone.includes(server))) return;
      this.#beginAnew(lookup);
      lookup.servers = this.#servers;
      if (lookup.isSent && this.#servers.length > 0) this.#tryNext(lookup, performance.now());
    });
  }

  #serversInOrder(nowMs: number): readonly DnsServer[] {
    const servers = this.#servers;
    if (servers.length === 1) return servers;
    const silent = servers.filter((server) => server.isSilent(nowMs));
    return silent.length === 0 ? servers : [...servers.filter((each) => !silent.includes(each)), ...silent];
  }

  // --- time ---

  #startTimer(): void {
    this.#idleTicks = 0;
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#passTime(), TICK_MS);
    else if (this.#listed.size === 1) this.#timer.ref();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #passTime(): void {
    this.#tick++;
    if (this.#listed.size === 0 && ++this.#idleTicks >= IDLE_TICKS) {
      this.#stopTimer();
      for (const { pool } of this.#servers) pool.rest();
      return;
    }
    const nowMs = performance.now();
    const isLate = nowMs - this.#tickedAt > LATE_MS;
    this.#tickedAt = nowMs;
    // The process was busy with something else: answers that came meanwhile are to be read before anybody's time is up. Once
    // only: a process that is always late would wait without end.
    this.#wasLate = isLate && !this.#wasLate;
    if (this.#wasLate) return;
    this.#listed.forEach((lookup) => {
      for (const attempt of lookup.attempts)
        if (attempt.sentAtTick !== -1 && attempt.sentAtTick < this.#tick - FRESH_TICKS)
          this.#unfresh(attempt);
      lookup.expire(nowMs);
      if (lookup.isOver) return;
      if (nowMs >= lookup.giveUpAt) {
        lookup.attempts.at(-1)?.server.misses(nowMs);
        this.#giveUp(lookup, nowMs);
      } else if (nowMs >= lookup.nextAt) {
        lookup.attempts.at(-1)?.server.misses(nowMs);
        this.#tryNext(lookup, nowMs);
      }
    });
    if (this.#line.length > 0) this.#admit();
  }
}

const isSame = (server: DnsServer, { address, port, isTrusted }: ServerAddress): boolean =>
  server.address === address && server.port === port && server.isTrusted === isTrusted;
