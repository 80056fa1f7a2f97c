/** An outlet over next hops: picks a host and a connection, and says what became of the mail object. RFC 5321 section 5.1. */

import type {
  DeliveryReport,
  HopReply,
  Log,
  MailObject,
  RecipientOutcome,
} from '../../../bindings/plugin/index.ts';
import type {
  HopCounters,
  HopHost,
  HopIntroduction,
  HopOptions,
  HopOutlet,
  HopRoute,
} from './hop-options.ts';
import { Attempt } from './attempt.ts';
import { StrayLineEnd } from '../../../bindings/wire/dot-stuffing.ts';
import { deferral, HopFault, hopReplies, outcomeOf } from './hop-replies.ts';
import { openHop, talkTo, type OpeningOptions } from './hop-opening.ts';
import { HopTransaction, type TransactionOptions } from './hop-transaction.ts';
import { HostHealth, orderOf, placeOf } from './host-choice.ts';
import { HostPool, type Lease, type PoolLimits } from './host-pool.ts';
import { lackOfSafety, lastingLack } from './mail-fitness.ts';

/** Everything about an outlet that does not change. */
export interface SmtpOutletOptions extends OpeningOptions, TransactionOptions, PoolLimits {
  readonly hosts: HopOptions['hosts'];
  readonly introduction: HopIntroduction | undefined;
  readonly withinMs: number;
  readonly log: Log;
  readonly random: () => number;
}

/** MailObjects without an introduction share all connections. */
const SHARED = '';

/** What became of a mail object in one transaction: those without an outcome go into others, of at most `room` recipients. */
type Passage = Pick<HopTransaction, 'outcomes' | 'room'>;

/** The room of a passage after which no other is to be tried. */
const NO_ROOM = 0;

export class SmtpOutlet implements HopOutlet {
  readonly counters: HopCounters = {
    connections: 0,
    reuses: 0,
    deliveries: 0,
    failedConnections: 0,
    uncertain: 0,
  };
  readonly #options: SmtpOutletOptions;
  readonly #pools = new Map<string, HostPool>();
  readonly #places = new WeakMap<HopHost, string>();
  readonly #health = new HostHealth();
  #isClosed = false;

  constructor(options: SmtpOutletOptions) {
    this.#options = options;
  }

  get connections(): number {
    let sum = 0;
    for (const pool of this.#pools.values()) sum += pool.connections;
    return sum;
  }

  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const attempt = new Attempt(this.#options.deadlines, this.#options.withinMs, signal);
    try {
      const { hosts } = this.#options;
      const route: HopRoute = typeof hosts === 'function' ? await hosts(mail, signal) : hosts;
      if ('kind' in route) return mail.recipients.map(() => route);
      const first = await this.#deliverTo(route, mail, attempt);
      return isWhole(first.outcomes) ? first.outcomes : await this.#deliverRest(route, mail, attempt, first);
    } catch (cause) {
      this.#options.log.error(`${mail.id}: ${String(cause)}`);
      return all(mail, deferral(hopReplies.unreadable, undefined));
    } finally {
      attempt.finish();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const pool of this.#pools.values()) pool.close();
  }

  /**
   * RFC 5321 section 4.5.3.1.10: those a transaction had no room for get another one at once; with the next attempt of a
   * spool the last of a thousand would wait for days. Each one settles its first recipient, or the next has fewer. Where all
   * were to get the message or nobody, and some have it, it goes to as many as possible.
   */
  async #deliverRest(
    hosts: readonly HopHost[],
    mail: MailObject,
    attempt: Attempt,
    first: Passage,
  ): Promise<DeliveryReport> {
    const outcomes = [...first.outcomes];
    let { room } = first;
    for (let left = openOf(outcomes); left.length > 0; left = openOf(outcomes)) {
      const isPartial = mail.isTrackedByRecipient === true || outcomes.some(isDelivered);
      const indexes = left.slice(0, room);
      const recipients = indexes.map((index) => mail.recipients[index]!);
      const share = { ...mail, recipients, isTrackedByRecipient: isPartial };
      const passage = await this.#deliverTo(hosts, share, attempt);
      for (const [place, index] of indexes.entries()) outcomes[index] = passage.outcomes[place];
      room = Math.min(room, passage.room);
      const failure = passage.outcomes.find((outcome) => outcome !== undefined && !isDelivered(outcome));
      if (failure === undefined || (room !== NO_ROOM && (isPartial || outcomes.some(isDelivered)))) continue;
      for (const index of openOf(outcomes)) outcomes[index] = failure;
    }
    const count = outcomes.filter(isDelivered).length;
    if (mail.isTrackedByRecipient !== true && count > 0 && count < outcomes.length) {
      const mixture = `${count} of ${outcomes.length} recipients have the message`;
      this.#options.log.warn(
        `${mail.id}: ${mixture}: it can't be taken back, and they get it again with the others`,
      );
    }
    return outcomes.map((outcome) => outcome!);
  }

  /** Until the mail object is mentioned to a host the next one may be tried; after that it must not be sent twice. */
  async #deliverTo(hosts: readonly HopHost[], mail: MailObject, attempt: Attempt): Promise<Passage> {
    const { log, random } = this.#options;
    let last: HopReply | undefined;
    let lack: HopReply | undefined;
    for (const host of this.#isClosed ? [] : orderOf(hosts, random, (host) => this.#rank(host))) {
      try {
        const kept = this.#poolOf(this.#placeOf(host)).takeKept(this.#keyOf(mail), attempt);
        if (kept !== undefined) this.counters.reuses++;
        const lease = kept ?? (await this.#lease(host, mail, attempt));
        if (mail.mailOptions.requireTls) this.#refuseUnsafe(lease, host, mail, attempt);
        return await this.#send(lease, host, mail, attempt);
      } catch (cause) {
        if (!(cause instanceof HopFault)) throw cause;
        log.warn(`${mail.id}: ${host.name}: ${cause.message}`);
        const lasting = mail.mailOptions.requireTls ? lastingLack(cause.reply) : undefined;
        if (lasting === undefined) last = cause.reply;
        // The host that came closest says the most.
        else if (lack !== hopReplies.needsSafeHop) lack = lasting;
        if (attempt.fault !== undefined) break;
      }
    }
    // RFC 8689 section 4.2.1: the sender hears at once of a demand that no host will ever meet.
    const outcome =
      lack !== undefined && last === undefined
        ? outcomeOf(lack, undefined)
        : deferral(last ?? (this.#isClosed ? hopReplies.closed : hopReplies.noHosts), undefined);
    return { outcomes: all(mail, outcome), room: NO_ROOM };
  }

  /** Throws a `HopFault` where the connection is not safe enough for the mail object; others may use it. */
  #refuseUnsafe({ connection }: Lease, host: HopHost, mail: MailObject, attempt: Attempt): void {
    const lack = lackOfSafety(mail, connection);
    if (lack === undefined) return;
    attempt.release();
    const { helloMs } = this.#options.timeouts;
    this.#poolOf(this.#placeOf(host)).giveBack(connection, this.#keyOf(mail), false, helloMs);
    throw new HopFault('tls', lack);
  }

  /** Unreachable ones come last, those that would have to be waited for in front of them. */
  #rank(host: HopHost): number {
    const place = this.#placeOf(host);
    if (this.#health.isAvoided(place)) return 2;
    return this.#pools.get(place)?.hasRoom === false ? 1 : 0;
  }

  async #lease(host: HopHost, mail: MailObject, attempt: Attempt): Promise<Lease> {
    const place = this.#placeOf(host);
    const lease = await this.#poolOf(place).take(this.#keyOf(mail), attempt, async () => {
      this.counters.connections++;
      try {
        const connection = await openHop(host, mail, attempt, this.#options);
        this.#health.worked(place);
        return connection;
      } catch (cause) {
        this.counters.failedConnections++;
        if (attempt.fault === undefined) this.#health.failed(place);
        throw cause;
      }
    });
    if (lease.isKept) this.counters.reuses++;
    return lease;
  }

  /** Rejects with a `HopFault` only if the hop has not heard of the mail object. */
  async #send(lease: Lease, host: HopHost, mail: MailObject, attempt: Attempt): Promise<Passage> {
    const { connection, isKept } = lease;
    const { introduction, timeouts } = this.#options;
    const place = this.#placeOf(host);
    const transaction = new HopTransaction(connection, mail, this.#options);
    transaction.asksFirst = isKept && !this.#health.keepsConnections(place);
    transaction.asksInTurn = !this.#health.keepsStep(place);
    attempt.transaction = transaction;
    try {
      if (introduction?.beforeMail !== undefined)
        await introduction.beforeMail(talkTo(connection, this.#options), mail);
      await transaction.run();
      if (isKept && transaction.isMailAnswered) this.#health.keptConnection(place);
      // Without its last connection the pool has been forgotten, and is not to be made anew.
      if (connection.isOpen)
        this.#poolOf(place).giveBack(connection, this.#keyOf(mail), transaction.needsReset, timeouts.helloMs);
    } catch (cause) {
      connection.destroy();
      transaction.isEnding &&= !connection.hasUnsent;
      const isLost = cause instanceof HopFault && !transaction.isMailAnswered;
      if (isLost && isKept && attempt.fault === undefined) {
        if (!transaction.isEnding && !attempt.isOver) return this.#sendAfresh(host, mail, attempt);
        if (transaction.isEnding) this.#health.droppedConnection(place);
      }
      this.#settleRest(transaction, mail, host, cause);
    }
    attempt.release();
    if (transaction.outcomes.some(isDelivered)) this.counters.deliveries++;
    return transaction;
  }

  /** The hop has closed a kept connection meanwhile, as it may at any time. Only a fresh one tells how it is. */
  #sendAfresh(host: HopHost, mail: MailObject, attempt: Attempt): Promise<Passage> {
    this.#poolOf(this.#placeOf(host)).dropIdle();
    return this.#lease(host, mail, attempt).then((lease) => this.#send(lease, host, mail, attempt));
  }

  #settleRest(transaction: HopTransaction, mail: MailObject, host: HopHost, cause: unknown): void {
    const { log } = this.#options;
    const { name } = host;
    const isFault = cause instanceof HopFault;
    log.warn(`${mail.id}: ${name}: ${isFault ? cause.message : String(cause)}`);
    transaction.room = NO_ROOM;
    if (transaction.withdrawRefusals()) {
      log.warn(`${mail.id}: ${name}: refusals without the replies behind them are not taken for final`);
      this.#health.fellOutOfStep(this.#placeOf(host));
    }
    if (transaction.isEnding) {
      this.counters.uncertain++;
      log.warn(`${mail.id}: ${name}: lost behind the end of the message: it may arrive twice`);
    }
    const outcome =
      cause instanceof StrayLineEnd
        ? outcomeOf(hopReplies.strayLineEnd, name)
        : deferral(isFault ? cause.reply : hopReplies.unreadable, name);
    for (const [index, known] of transaction.outcomes.entries()) {
      if (known === undefined) transaction.outcomes[index] = outcome;
    }
  }

  #keyOf(mail: MailObject): string | undefined {
    const { introduction } = this.#options;
    return introduction === undefined ? SHARED : introduction.keyOf(mail);
  }

  /** Hosts of a fixed list are asked for with every message. */
  #placeOf(host: HopHost): string {
    let place = this.#places.get(host);
    if (place === undefined) this.#places.set(host, (place = placeOf(host)));
    return place;
  }

  /** Pools of hosts that are not talked to are forgotten: routes may bring ever new ones. */
  #poolOf(place: string): HostPool {
    const known = this.#pools.get(place);
    if (known !== undefined) return known;
    const pool = new HostPool(this.#options, () => this.#pools.delete(place));
    if (this.#isClosed) pool.close();
    this.#pools.set(place, pool);
    return pool;
  }
}

const all = ({ recipients }: MailObject, outcome: RecipientOutcome): RecipientOutcome[] =>
  recipients.map(() => outcome);

const isDelivered = (outcome: RecipientOutcome | undefined): boolean => outcome?.kind === 'delivered';

const isWhole = (outcomes: Passage['outcomes']): outcomes is RecipientOutcome[] =>
  !outcomes.includes(undefined);

const openOf = (outcomes: Passage['outcomes']): number[] =>
  [...outcomes.keys()].filter((index) => outcomes[index] === undefined);
