/** One message over one connection: envelope, content, and what the hop says to it. RFC 5321 section 3.3, RFC 2033. */

import type { HopReply, Parcel, RecipientOutcome } from '../../../bindings/plugin/delivery.ts';
import type { HopTimeouts } from '../../../bindings/plugin/hop-services.ts';
import {
  contentAtHand,
  couldNameRecipients,
  inOneChunk,
  sendChunks,
  sendData,
  type Sending,
} from './content-sending.ts';
import { mailCommand, rcptCommand } from './envelope-commands.ts';
import type { HopConnection } from './hop-connection.ts';
import { HopFault, hopReplies, isGood, type HopStage } from './hop-fault.ts';
import { deferral, outcomeOf } from './outcome.ts';
import { fitnessOf, type Fitness } from './parcel-fitness.ts';

export interface TransactionTerms {
  readonly protocol: 'smtp' | 'lmtp';
  readonly timeouts: HopTimeouts;
  readonly eightBit: 'refuse' | 'send';
}

export class HopTransaction {
  /** One for each recipient, as soon as it is known. */
  readonly outcomes: (RecipientOutcome | undefined)[];
  /** MAIL was answered: until then the hop has nothing to do with the parcel. */
  isMailAnswered = false;
  /** The end of the content is on its way: the hop may have the message. */
  isEnding = false;
  /** The hop holds an envelope that nothing came of. */
  needsReset = false;
  /** The content waits until the hop has answered the envelope: it may have given up the connection. */
  asksFirst = false;
  readonly #connection: HopConnection;
  readonly #parcel: Parcel;
  readonly #terms: TransactionTerms;

  constructor(connection: HopConnection, parcel: Parcel, terms: TransactionTerms) {
    this.#connection = connection;
    this.#parcel = parcel;
    this.#terms = terms;
    this.outcomes = parcel.recipients.map(() => undefined);
  }

  /**
   * Settles `outcomes`; undefined if that is done at once. Rejects with a `HopFault`, or with what reading the message throws: the
   * rest is open then.
   */
  run(): Promise<void> | undefined {
    const fitness = fitnessOf(this.#parcel, this.#connection, this.#terms.eightBit);
    this.#settleUnfit(fitness);
    if (this.#givesUp()) return undefined;
    const chosen = this.#open();
    const content = this.#mayGoWhole(chosen.length) ? contentAtHand(this.#parcel.message) : undefined;
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

  /** Recipients without an outcome. */
  #open(): number[] {
    const open: number[] = [];
    for (let index = 0; index < this.outcomes.length; index++)
      if (this.outcomes[index] === undefined) open.push(index);
    return open;
  }

  /**
   * True if nobody is left to deliver to. Where all have to get the message or nobody, a recipient who cannot decides for
   * all: the others get his outcome, so that the client hears why.
   */
  #givesUp(): boolean {
    if (this.outcomes.every((outcome) => outcome === undefined)) return false;
    const known = this.outcomes.filter((outcome) => outcome !== undefined);
    if (!this.#isPartial && known.length > 0) {
      const decisive = known.find(({ kind }) => kind === 'deferred') ?? known[0]!;
      for (const index of this.#open()) this.outcomes[index] = decisive;
    }
    return this.#open().length === 0;
  }

  /** DATA may go along with the envelope where it cannot happen that some recipients get what others were to get too. */
  #mayDataGoAlong(recipients: number): boolean {
    return !this.#usesChunks && (this.#isPartial || recipients === 1);
  }

  /**
   * Envelope and content may leave together, which saves a round trip and half of the work. Not over a connection that lay
   * idle, nor to a hop that may close behind each message: what was sent before that is noticed could not be sent again
   * without the risk of a double.
   */
  #mayGoWhole(recipients: number): boolean {
    if (!this.#usesChunks || this.#terms.protocol === 'lmtp') return false;
    if (this.asksFirst || this.#connection.hasRested) return false;
    return this.#connection.extensions.has('PIPELINING') && (this.#isPartial || recipients === 1);
  }

  /** Some may get the message where others do not. */
  get #isPartial(): boolean {
    return this.#parcel.isTrackedByRecipient === true;
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
    const { timeouts } = this.#terms;
    let lines = `${mailCommand(this.#parcel, extensions, isUtf8)}\r\n`;
    for (const index of chosen) lines += `${rcptCommand(this.#parcel.recipients[index]!, extensions)}\r\n`;
    this.isEnding = connection.isOpen;
    connection.command(inOneChunk(lines, content), chosen.length + 2);
    const isTaken = this.#settleMail(await connection.reply('mail', timeouts.mailMs));
    for (const index of chosen) {
      const answer = connection.reply('rcpt', timeouts.rcptMs);
      const reply = answer instanceof Promise ? await answer : answer;
      if (isTaken && !isGood(reply)) this.#settleRecipient(index, reply);
    }
    const accepted = this.#open();
    this.isEnding = accepted.length > 0;
    const answer = connection.reply('end', timeouts.endMs);
    this.#settleChunk(accepted, answer instanceof Promise ? await answer : answer);
    this.needsReset ||= isTaken && accepted.length === 0;
    connection.deliveries++;
  }

  /** The reply to the last chunk. Behind a bad one nobody knows what the hop still holds. RFC 3030 section 2. */
  #settleChunk(accepted: readonly number[], reply: HopReply): void {
    this.#refuseGoAhead('end', reply);
    if (!isGood(reply)) this.needsReset = true;
    this.#settle(accepted, reply);
  }

  #settleRecipient(index: number, reply: HopReply): void {
    this.#refuseGoAhead('rcpt', reply);
    this.#settle([index], reply);
  }

  /** Behind a 3yz that nothing was said for the hop waits for content, and takes for that whatever it is told next. */
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
    const { timeouts } = this.#terms;
    const isPipelined = extensions.has('PIPELINING');
    const dataGoesAlong = isPipelined && this.#mayDataGoAlong(chosen.length);
    const mail = `${mailCommand(this.#parcel, extensions, isUtf8)}\r\n`;
    const rcptOf = (index: number): string =>
      `${rcptCommand(this.#parcel.recipients[index]!, extensions)}\r\n`;
    if (isPipelined) {
      let lines = mail;
      for (const index of chosen) lines += rcptOf(index);
      if (dataGoesAlong) lines += 'DATA\r\n';
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
      // Behind a refused MAIL it says nothing about the recipient.
      if (isTaken && !isGood(reply)) this.#settleRecipient(index, reply);
    }
    const mayGoOn = isTaken && !this.#givesUp();
    if (isTaken && !mayGoOn) this.needsReset = true;
    if (!dataGoesAlong) {
      if (!mayGoOn || this.#usesChunks) return mayGoOn ? this.#open() : [];
      connection.command('DATA\r\n');
    }
    const answer = connection.reply('data', timeouts.dataMs);
    return this.#settleData(answer instanceof Promise ? await answer : answer, mayGoOn);
  }

  /** True if MAIL was accepted. Throws a `HopFault`. */
  #settleMail(reply: HopReply): boolean {
    // A kept connection whose time is up, or that had all the messages the hop wants over one: the parcel gets another one.
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
    const { timeouts, protocol } = this.#terms;
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
    if (reply.code < 400)
      throw connection.fail(new HopFault('data', hopReplies.garbage(`${reply.code} for DATA`)));
    this.#settle(this.#open(), reply);
    this.needsReset = true;
    return [];
  }

  async #sendContent(accepted: readonly number[]): Promise<void> {
    const connection = this.#connection;
    const { protocol, timeouts } = this.#terms;
    const replies = protocol === 'lmtp' ? accepted.length : 1;
    const sending: Sending = { connection, message: this.#parcel.message, timeouts, transaction: this };
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
    for (const [position, index] of accepted.entries()) {
      if (protocol === 'lmtp' || position === 0) {
        const reply = await connection.reply('end', timeouts.endMs);
        const those = protocol === 'lmtp' ? [index] : accepted;
        if (this.#usesChunks) this.#settleChunk(those, reply);
        else this.#settle(those, reply);
      }
    }
    connection.deliveries++;
  }

  /** The hop has made up its mind in the middle of the content; what it takes for good now cannot be the message. */
  #breakOff(accepted: readonly number[], reply: HopReply): void {
    const { name } = this.#connection.host;
    this.#connection.destroy();
    for (const index of accepted) {
      this.outcomes[index] =
        reply.code >= 400
          ? outcomeOf(reply, name)
          : deferral(hopReplies.garbage('a reply inside the content'), name);
    }
  }

  #settle(indexes: readonly number[], reply: HopReply): void {
    const { host, extensions } = this.#connection;
    const outcome = outcomeOf(reply, host.name);
    const isReported = outcome.kind === 'delivered' && extensions.has('DSN');
    const settled = isReported ? { ...outcome, isReportedByHop: true } : outcome;
    for (const index of indexes) this.outcomes[index] = settled;
  }
}
