/** One message over one connection: envelope, content, and what the hop says to it. RFC 5321 section 3.3, RFC 2033. */

import type { HopReply, MailObject, RecipientOutcome } from '../../../bindings/plugin/index.ts';
import type { HopTimeouts } from './hop-options.ts';
import {
  contentAtHand,
  couldNameRecipients,
  inOneChunk,
  sendChunks,
  sendData,
  type Sending,
} from './content-sending.ts';
import { mailCommand, rcptCommand } from './extensions.ts';
import type { HopConnection } from './hop-connection.ts';
import {
  deferral,
  hasNoRoom,
  HopFault,
  hopReplies,
  type HopStage,
  isGood,
  outcomeOf,
} from './hop-replies.ts';
import { type Fitness, fitnessOf } from './mail-fitness.ts';

export interface TransactionOptions {
  readonly protocol: 'smtp' | 'lmtp';
  readonly timeouts: HopTimeouts;
  readonly eightBit: 'refuse' | 'send';
}

const NOBODY: readonly number[] = Object.freeze([]);

export class HopTransaction {
  /** One for each recipient, as soon as it is known. Those who have none after `run` go into another transaction. */
  readonly outcomes: (RecipientOutcome | undefined)[];
  /** How many recipients that one may have. */
  room = Number.POSITIVE_INFINITY;
  /** MAIL was answered: until then the hop has nothing to do with the mail object. */
  isMailAnswered = false;
  /** The end of the content is on its way: the hop may have the message. */
  isEnding = false;
  /** The hop holds an envelope that nothing came of. */
  needsReset = false;
  /** The content waits until the hop has answered the envelope: it may have given up the connection. */
  asksFirst = false;
  /** One command at a time, although the hop offers PIPELINING. */
  asksInTurn = false;
  /** Recipients whose commands went out with others in one go, as long as the last of these has no reply that fits. */
  #provisional = NOBODY;
  /** Those the hop has no room for in this transaction. */
  #apart: Set<number> | undefined;
  readonly #connection: HopConnection;
  readonly #mailObject: MailObject;
  readonly #options: TransactionOptions;

  constructor(connection: HopConnection, mailObject: MailObject, options: TransactionOptions) {
    this.#connection = connection;
    this.#mailObject = mailObject;
    this.#options = options;
    this.outcomes = mailObject.recipients.map(() => undefined);
  }

  /**
   * To be called when `run` has rejected. A hop that left out a reply has its refusal of one recipient taken for one of
   * another; none of those counts that came before this showed. Returns true if there were any.
   */
  withdrawRefusals(): boolean {
    let hasAny = false;
    for (const index of this.#provisional) {
      if (this.outcomes[index]?.kind !== 'refused') continue;
      this.outcomes[index] = undefined;
      hasAny = true;
    }
    return hasAny;
  }

  /**
   * Settles `outcomes`; undefined if that is done at once. Rejects with a `HopFault`, or with what reading the message throws: the
   * rest is open then.
   */
  run(): Promise<void> | undefined {
    const fitness = fitnessOf(this.#mailObject, this.#connection, this.#options.eightBit);
    this.#settleUnfit(fitness);
    if (this.#givesUp()) return undefined;
    const chosen = this.#open();
    const content = this.#mayGoWhole(chosen.length) ? contentAtHand(this.#mailObject.message) : undefined;
    if (content !== undefined && !couldNameRecipients(content))
      return this.#sendWhole(chosen, fitness.isUtf8, content);
    return this.#sendInTurn(chosen, fitness.isUtf8);
  }

  async #sendInTurn(chosen: readonly number[], isUtf8: boolean): Promise<void> {
    const accepted = await this.#sendEnvelope(chosen, isUtf8);
    if (accepted.length > 0) await this.#sendContent(accepted);
  }

  #settleUnfit({ problem, problems }: Fitness): void {
    if (problem === undefined && problems.length === 0) return;
    const { name } = this.#connection.host;
    for (const index of this.outcomes.keys()) {
      const reply = problem ?? problems[index];
      if (reply !== undefined) this.outcomes[index] = outcomeOf(reply, name);
    }
  }

  /** Recipients of this transaction without an outcome. */
  #open(): number[] {
    const open: number[] = [];
    for (let index = 0; index < this.outcomes.length; index++)
      if (this.outcomes[index] === undefined && this.#apart?.has(index) !== true) open.push(index);
    return open;
  }

  /**
   * True if nobody is left to deliver to. Where all have to get the message or nobody, a recipient that cannot decides for
   * all: the others get its outcome, so that the client hears why.
   */
  #givesUp(): boolean {
    if (this.outcomes.every((outcome) => outcome === undefined)) return false;
    const known = this.outcomes.filter((outcome) => outcome !== undefined);
    if (!this.#isPartial && known.length > 0) {
      const decisive = known.find(({ kind }) => kind === 'deferred') ?? known[0]!;
      for (const index of this.outcomes.keys()) this.outcomes[index] ??= decisive;
    }
    return this.#open().length === 0;
  }

  /** DATA may go along with the envelope where it cannot happen that some recipients get what others were to get too. */
  #mayDataGoAlong(recipients: number): boolean {
    return !this.#usesChunks && (this.#isPartial || recipients === 1);
  }

  /**
   * Envelope and content may leave together, which saves a round trip and half of the work. Not over a connection that lay
   * idle, nor to a hop that may close after each message: what was sent before that is noticed could not be sent again
   * without the risk of a double.
   */
  #mayGoWhole(recipients: number): boolean {
    if (!this.#usesChunks || this.#options.protocol === 'lmtp') return false;
    if (this.asksFirst || this.#connection.hasRested) return false;
    return this.#isPipelined && (this.#isPartial || recipients === 1);
  }

  get #isPipelined(): boolean {
    return !this.asksInTurn && this.#connection.extensions.has('PIPELINING');
  }

  /** Some may get the message where others do not. */
  get #isPartial(): boolean {
    return this.#mailObject.isTrackedByRecipient === true;
  }

  get #usesChunks(): boolean {
    return this.#connection.extensions.has('CHUNKING');
  }

  /**
   * MAIL, RCPT and the content as one chunk in one go. RFC 3030 section 2 has the client read the replies to the envelope
   * first; a hop with PIPELINING need not notice (RFC 2920 section 3.2), as long as it swallows a chunk it does not want.
   */
  async #sendWhole(chosen: readonly number[], isUtf8: boolean, content: readonly Buffer[]): Promise<void> {
    const connection = this.#connection;
    const { extensions } = connection;
    const { timeouts } = this.#options;
    let lines = `${mailCommand(this.#mailObject, extensions, isUtf8)}\r\n`;
    for (const index of chosen)
      lines += `${rcptCommand(this.#mailObject.recipients[index]!, extensions)}\r\n`;
    this.isEnding = connection.isOpen;
    this.#provisional = chosen;
    connection.command(inOneChunk(lines, content), chosen.length + 2);
    const isTaken = this.#settleMail(await connection.reply('mail', timeouts.mailMs));
    for (const index of chosen) {
      const answer = connection.reply('rcpt', timeouts.rcptMs);
      const reply = answer instanceof Promise ? await answer : answer;
      if (isTaken && !isGood(reply)) this.#settleRecipient(index, reply, chosen);
    }
    const accepted = this.#openAmong(chosen);
    this.isEnding = accepted.length > 0;
    const answer = connection.reply('end', timeouts.endMs);
    const reply = answer instanceof Promise ? await answer : answer;
    this.#endGroup();
    this.#settleChunk(accepted, reply, accepted);
    this.needsReset ||= isTaken && accepted.length === 0;
    connection.deliveries++;
  }

  /** The reply to the last chunk. After a bad one nobody knows what the hop still holds. RFC 3030 section 2. */
  #settleChunk(those: readonly number[], reply: HopReply, accepted: readonly number[]): void {
    this.#refuseGoAhead('end', reply);
    if (!isGood(reply)) this.needsReset = true;
    this.#settleAccepted(those, reply, accepted);
  }

  #settleRecipient(index: number, reply: HopReply, [first]: readonly number[]): void {
    this.#refuseGoAhead('rcpt', reply);
    if (index !== first && hasNoRoom(reply)) this.#putApart([index]);
    else this.#settle([index], reply);
  }

  /**
   * Settles some of those that the hop has accepted, or leaves them to transactions with fewer recipients: if it finds only
   * now that there are too many, or if it refuses a message of which it has refused further recipients.
   */
  #settleAccepted(those: readonly number[], reply: HopReply, accepted: readonly number[]): void {
    const isOverfull = this.#apart !== undefined && reply.code === 503;
    const isFirst = those.length === 1 && those[0] === accepted[0];
    const isDivided = hasNoRoom(reply) && !isFirst;
    if (isDivided) this.room = Math.min(this.room, Math.ceil(accepted.length / 2));
    if (isDivided || isOverfull) this.#putApart(those);
    else this.#settle(those, reply);
  }

  #putApart(indexes: readonly number[]): void {
    this.#apart ??= new Set();
    for (const index of indexes) this.#apart.add(index);
  }

  /** Those of `chosen` the hop has accepted; with that it is known how many it takes. */
  #openAmong(chosen: readonly number[]): number[] {
    const open = this.#open();
    // A limit may count those it refuses too.
    if (this.#apart !== undefined)
      this.room = open.length > 0 ? open.length : chosen.length - this.#apart.size;
    return open;
  }

  /** All replies to commands that went out in one go are here. Throws a `HopFault` if there are more than that. */
  #endGroup(): void {
    const connection = this.#connection;
    if (this.#provisional.length > 0 && connection.isOutOfStep)
      throw connection.fail(new HopFault('rcpt', hopReplies.garbage('replies out of step')));
    this.#provisional = NOBODY;
  }

  /** After a 3yz that nothing was said for the hop waits for content, and takes for that whatever it is told next. */
  #refuseGoAhead(stage: HopStage, { code }: HopReply): void {
    if (code >= 300 && code < 400)
      throw this.#connection.fail(
        new HopFault(stage, hopReplies.garbage(`${code} for ${stage.toUpperCase()}`)),
      );
  }

  /** Resolves with the recipients the content is to be sent for, DATA having been accepted if that is needed. */
  async #sendEnvelope(chosen: readonly number[], isUtf8: boolean): Promise<readonly number[]> {
    const connection = this.#connection;
    const { extensions } = connection;
    const { timeouts } = this.#options;
    const isPipelined = this.#isPipelined;
    const dataGoesAlong = isPipelined && this.#mayDataGoAlong(chosen.length);
    const mail = `${mailCommand(this.#mailObject, extensions, isUtf8)}\r\n`;
    const rcptOf = (index: number): string =>
      `${rcptCommand(this.#mailObject.recipients[index]!, extensions)}\r\n`;
    if (isPipelined) {
      let lines = mail;
      for (const index of chosen) lines += rcptOf(index);
      if (dataGoesAlong) lines += 'DATA\r\n';
      this.#provisional = chosen;
      connection.command(lines, chosen.length + (dataGoesAlong ? 2 : 1));
    } else {
      connection.command(mail);
    }
    const isTaken = this.#settleMail(await connection.reply('mail', timeouts.mailMs));
    if (!isTaken && !isPipelined) return [];
    for (const index of chosen) {
      if (!isPipelined) connection.command(rcptOf(index));
      // Most replies to a pipelined envelope come in one read.
      const answer = connection.reply('rcpt', timeouts.rcptMs);
      const reply = answer instanceof Promise ? await answer : answer;
      // After a refused MAIL it says nothing about the recipient.
      if (isTaken && !isGood(reply)) this.#settleRecipient(index, reply, chosen);
    }
    this.#openAmong(chosen);
    const mayGoOn = isTaken && !this.#givesUp();
    if (isTaken && !mayGoOn) this.needsReset = true;
    if (!dataGoesAlong) {
      this.#endGroup();
      if (!mayGoOn || this.#usesChunks) return mayGoOn ? this.#open() : [];
      connection.command('DATA\r\n');
    }
    const answer = connection.reply('data', timeouts.dataMs);
    return this.#settleData(answer instanceof Promise ? await answer : answer, mayGoOn);
  }

  /** True if MAIL was accepted. Throws a `HopFault`. */
  #settleMail(reply: HopReply): boolean {
    // A kept connection whose time is up, or that had all the messages the hop wants over one: the mail object gets another one.
    if (reply.code === 421 || (reply.code === 452 && this.#connection.deliveries > 0)) {
      this.isEnding = false;
      throw this.#connection.fail(new HopFault('mail', reply));
    }
    this.isMailAnswered = true;
    if (isGood(reply)) return true;
    this.#refuseGoAhead('mail', reply);
    this.isEnding = false;
    this.#settle(this.#open(), reply);
    return false;
  }

  /**
   * A hop may say 354 although it has accepted nobody; it is sent a message without content then, whose fate is of no
   * interest. RFC 2920 section 3.1.
   */
  #settleData(reply: HopReply, isWanted: boolean): readonly number[] | Promise<readonly number[]> {
    const connection = this.#connection;
    const { timeouts, protocol } = this.#options;
    if (reply.code < 400 && reply.code !== 354)
      throw connection.fail(new HopFault('data', hopReplies.garbage(`${reply.code} for DATA`)));
    this.#endGroup();
    if (reply.code === 354) {
      this.needsReset = false;
      if (isWanted) return this.#open();
      // LMTP has no reply for nobody to wait for. RFC 2033 section 4.2.
      if (protocol === 'lmtp') {
        connection.destroy();
        return [];
      }
      return connection.say('.', 'data', timeouts.dataMs).then(() => []);
    }
    if (!isWanted) return [];
    const accepted = this.#open();
    if (this.#apart === undefined) this.#settleAccepted(accepted, reply, accepted);
    else this.#putApart(accepted);
    this.needsReset = true;
    return [];
  }

  async #sendContent(accepted: readonly number[]): Promise<void> {
    const connection = this.#connection;
    const { protocol, timeouts } = this.#options;
    const replies = protocol === 'lmtp' ? accepted.length : 1;
    const sending: Sending = { connection, message: this.#mailObject.message, timeouts, transaction: this };
    if (this.#usesChunks) {
      const refusal = await sendChunks(sending, replies);
      if (refusal !== undefined) return this.#breakOff(accepted, refusal);
    } else {
      connection.owe(replies);
      const sent = sendData(sending);
      if (!(sent instanceof Promise ? await sent : sent)) {
        return this.#breakOff(accepted, await connection.reply('data', timeouts.dataMs));
      }
    }
    if (protocol === 'lmtp') this.#provisional = accepted;
    for (const [position, index] of accepted.entries()) {
      if (protocol === 'lmtp' || position === 0) {
        const reply = await connection.reply('end', timeouts.endMs);
        const those = protocol === 'lmtp' ? [index] : accepted;
        if (this.#usesChunks) this.#settleChunk(those, reply, accepted);
        else this.#settleAccepted(those, reply, accepted);
      }
    }
    this.#endGroup();
    connection.deliveries++;
  }

  /** The hop has made up its mind in the middle of the content; what it takes for good now cannot be the message. */
  #breakOff(accepted: readonly number[], reply: HopReply): void {
    const { name } = this.#connection.host;
    this.#connection.destroy();
    if (reply.code >= 400) return this.#settleAccepted(accepted, reply, accepted);
    const outcome = deferral(hopReplies.garbage('a reply inside the content'), name);
    for (const index of accepted) this.outcomes[index] = outcome;
  }

  #settle(indexes: readonly number[], reply: HopReply): void {
    const { host, extensions } = this.#connection;
    const outcome = outcomeOf(reply, host.name);
    const isReported = outcome.kind === 'delivered' && extensions.has('DSN');
    const settled = isReported ? { ...outcome, isReportedByHop: true } : outcome;
    for (const index of indexes) this.outcomes[index] = settled;
  }
}
